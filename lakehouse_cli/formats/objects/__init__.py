"""Assets that are not tables: each result serialised by a `Serializer`, and stored as its bytes."""
