"""Small studies: asymmetry tests, adjusted estimates, missing studies, power."""
