// Only a place for the precompiled headers of all tests.
