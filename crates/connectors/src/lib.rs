//! Implementations of the identity ports: SQLite store, LDAP.
