//! `druse query`: rows of an OQL query, one a line.

use clap::Args;
use druse_client::{Error, Value};

use super::Failure;
use super::region::{Connect, failure, print_line, with_client};

#[derive(Debug, Args)]
#[command(
    after_help = "A row of several fields is printed with tabs between them, below a line with their names.\n\n\
    Example: druse query --server HOST:PORT 'SELECT * FROM /orders o WHERE o > 10'"
)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    connect: Connect,
    /// Query, such as 'SELECT * FROM /orders'
    oql: String,
}

pub(crate) fn run(args: QueryArgs) -> Result<(), Failure> {
    with_client(&args.connect, async |client| {
        let rows = client.query::<Value>(&args.oql, &[]).await.map_err(failure)?;
        if !rows.fields().is_empty() {
            print_line(&rows.fields().join("\t"))?;
        }
        for row in rows {
            print_line(&shown(row)?)?;
        }
        Ok(())
    })
}

fn shown(row: Result<Value, Error>) -> Result<String, Failure> {
    Ok(match row.map_err(failure)? {
        Value::Objects { elements, .. } => {
            elements.iter().map(ToString::to_string).collect::<Vec<_>>().join("\t")
        }
        value => value.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use druse_protocol::value::JavaClass;

    #[test]
    fn the_fields_of_a_row_stand_side_by_side() {
        let elements = vec![Value::Integer(1), Value::Null];
        let row = Value::Objects { component: JavaClass::object(), elements };
        assert_eq!(shown(Ok(row)).unwrap(), "1\tnull");
        assert_eq!(shown(Ok(Value::Integer(7))).unwrap(), "7");
    }
}
