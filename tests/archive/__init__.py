"""A package archive of the tests' own: small packages, signed suites with every field a parameter, served over HTTP."""
