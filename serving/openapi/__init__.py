"""The OpenAPI document of a therapy's service, from the shapes that read its bodies and the client's answers."""

from serving.openapi.document import document_of

__all__ = ["document_of"]
