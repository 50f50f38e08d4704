//! How much a query may hold, and that small steps come to the same as one.

use super::*;

fn numbers(count: i32) -> World {
    let mut world = World::default();
    // Every residue comes before the next round, so that the order of the region is not the one asked for.
    (0..count).for_each(|number| world.put_at(&Java::Integer(number), &Java::Integer(number * 7919 % count)));
    world
}

#[test]
fn small_steps_come_to_the_same() {
    let world = numbers(10_007);
    for query in [
        "select * from /r v where v > 10000",
        "select * from /r v order by v",
        "select * from /r v order by v desc limit 5000",
        "select distinct * from /r v where v < 300 order by v limit 10",
        "select count(*) from /r v where v >= 7",
    ] {
        let whole = world.ask(query, &[]).unwrap();
        for share in [
            Share { records: 10, ..ALL },
            Share { rows: 7, ..ALL },
            Share { record_bytes: 1, row_bytes: 1, ..ALL },
        ] {
            assert_eq!(
                world.run(query, &[], share, QueryBounds::default()).unwrap(),
                whole,
                "{query} {share:?}"
            );
        }
    }
}

#[test]
fn runs_are_merged_in_order() {
    let world = numbers(10_007);
    let rows = world.ask("select * from /r v order by v", &[]).unwrap();
    assert!(rows.iter().map(|row| row.parse::<i32>().unwrap()).eq(0..10_007));
    let rows = world.ask("select * from /r v order by v desc limit 3", &[]).unwrap();
    assert_eq!(rows, ["10006", "10005", "10004"]);
}

#[test]
fn what_is_held_has_a_bound() {
    let world = numbers(10_007);
    let run = |query, bounds| world.run(query, &[], ALL, bounds);
    let few_rows = QueryBounds { rows: 5000, ..QueryBounds::default() };
    let few_bytes = QueryBounds { bytes: 100_000, ..QueryBounds::default() };
    let too_large = |what, limit| Err(QueryError::TooLarge { what, limit });
    for query in
        ["select * from /r v order by v", "select distinct * from /r", "select distinct count(*) from /r"]
    {
        assert_eq!(run(query, few_rows), too_large("rows", 5000), "{query}");
        assert_eq!(run(query, few_bytes), too_large("bytes", 100_000), "{query}");
    }
    assert_eq!(run("select * from /r", few_rows).unwrap().len(), 10_007, "rows that are given are not held");
    assert_eq!(run("select * from /r v order by v limit 10", few_rows).unwrap().len(), 10);
}

#[test]
fn an_error_ends_a_query() {
    let mut world = numbers(3);
    world.put("text", &text("text"));
    let plan = world.plan("select * from /r v where v >= 0", &[]).unwrap();
    let mut execution = Execution::new(plan, world.records.iter().cloned(), QueryBounds::default());
    let share = Share { records: 1, ..ALL };
    (0..3).for_each(|_| assert_eq!(execution.advance(&world, &share).unwrap().rows.len(), 1));
    assert!(matches!(execution.advance(&world, &share), Err(QueryError::NoOrder { .. })));
    assert!(execution.advance(&world, &share).unwrap().is_last);
}
