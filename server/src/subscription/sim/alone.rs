//! I6: one user's trouble does not delay another's events.
