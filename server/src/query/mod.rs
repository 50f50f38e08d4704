//! OQL: what clients ask a region, and what continuous queries watch for.
//!
//! ```text
//!   text ─ lexer ─► words ─ parser ─► syntax ──────────────── Statement
//!                                        │ + values of $1 …  (compile: names, negation)
//!                                        ▼
//!            Plan: condition, output, order, limit ──► Execution over a scan ──► rows      (QUERY)
//!                        │
//!                        └─► CqPredicate ──► CqIndex: one change against all of them       (continuous queries)
//! ```
//!
//! A condition looks at serialized values without decoding them: [`place`] finds a field of a PDX object or a key of a map,
//! [`datum`] decodes what is compared, [`compare`] says what comes of it. Meaning follows Geode 1.15
//! (`geode-core/src/main/java/org/apache/geode/cache/query/internal`), the subset is that of RFC.md; whatever OQL has
//! beyond is refused with its name and its place in the text.

mod compare;
mod compile;
mod condition;
mod cq;
mod datum;
mod elements;
mod error;
mod lexer;
mod like;
mod number;
mod parser;
mod path;
mod place;
mod plan;
mod run;
mod syntax;
#[cfg(test)]
mod tests;
mod types;

pub use cq::{CqIndex, CqPredicate, CqTransition};
pub use error::{Position, QueryError};
pub use plan::{Plan, ResultRow, Shape, Statement};
pub use run::{Execution, Given, QueryBounds, Share};
pub use types::ClassVersions;

/// Bytes of a query's text. Longer ones are no queries that somebody wrote; lists belong into parameters.
pub const MAX_TEXT: usize = 64 << 10;

/// How deep conditions may nest. Each level costs about a kilobyte of stack while a query is read.
const MAX_DEPTH: usize = 64;

/// Columns, and keys of an order.
const MAX_COLUMNS: usize = 256;

/// Elements of a `SET(...)` in the text.
const MAX_LIST: usize = 10_000;

/// Steps of one path.
const MAX_STEPS: usize = 64;

/// Bytes of a pattern behind LIKE: matching takes time in proportion to its length and the text's.
const MAX_PATTERN: usize = 4096;
