"""The same thing in the libraries you will use. Ungraded, and skipped where the library is absent."""
