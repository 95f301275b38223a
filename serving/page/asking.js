// Calls of the service, and what it refuses.

export async function ask(token, path, body) {
  const headers = { Authorization: `Bearer ${token}` };
  if (body) headers["Content-Type"] = "application/json";
  const sent = { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) };
  const told = await fetch(path, sent).catch(() => refuse("the service does not answer"));
  const answer = await told.json().catch(() => ({}));
  if (!told.ok) refuse(answer.error?.message || `status ${told.status}`, answer.error?.field);
  return answer;
}

export function refuse(message, field) {
  throw Object.assign(new Error(message), { field });
}
