"""Tables packed away: a storage for lakehouse."""
