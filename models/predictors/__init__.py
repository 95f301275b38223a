"""Predictors of F and Mf: fitted, calibrated, saved as library files, loaded."""
