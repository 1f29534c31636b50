"""Storage: tables, the engine and the migrations."""
