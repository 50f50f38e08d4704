//! Keys and values: Geode's `DataSerializer` encodings.

pub mod java_stream;
