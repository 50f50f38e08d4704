//! Random conditions over random objects, against the plain definition.
//!
//! The model decodes everything, keeps no text positions, pushes no negation and knows no precedence: it evaluates a tree.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::compare::Comparison;
use super::*;

/// Fields that objects may have; `d` none has.
const FIELDS: [&str; 4] = ["a", "b", "c", "d"];

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scalar {
    Null,
    Flag(bool),
    Whole(i32),
    Double(i32),
    Text(&'static str),
}

/// A condition.
#[derive(Debug, Clone)]
enum Tree {
    Compare(usize, Comparison, Scalar),
    Fields(usize, Comparison, usize),
    In(usize, Vec<Scalar>),
    Like(usize, &'static str),
    Defined(usize),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

impl Scalar {
    fn to_java(self) -> Java {
        match self {
            Self::Null => Java::Null,
            Self::Flag(flag) => Java::Boolean(flag),
            Self::Whole(number) => Java::Integer(number),
            Self::Double(halves) => Java::Double(f64::from(halves) / 2.0),
            Self::Text(value) => text(value),
        }
    }

    fn to_oql(self) -> String {
        match self {
            Self::Null => "NULL".into(),
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Double(halves) => format!("{:.1}", f64::from(halves) / 2.0),
            Self::Text(text) => format!("'{text}'"),
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(number.into()),
            Self::Double(halves) => Some(f64::from(halves) / 2.0),
            _ => None,
        }
    }

    fn equals(self, other: Self) -> bool {
        match (self.number(), other.number()) {
            (Some(one), Some(other)) => one == other,
            _ => self == other,
        }
    }
}

impl Tree {
    fn to_oql(&self) -> String {
        let joined = |parts: &[Self], word: &str| {
            let parts: Vec<_> = parts.iter().map(Self::to_oql).collect();
            format!("({})", parts.join(word))
        };
        match self {
            Self::Compare(field, comparison, scalar) => {
                format!("o.{} {} {}", FIELDS[*field], comparison.symbol(), scalar.to_oql())
            }
            Self::Fields(one, comparison, other) => {
                format!("o.{} {} o.{}", FIELDS[*one], comparison.symbol(), FIELDS[*other])
            }
            Self::In(field, scalars) => {
                let scalars: Vec<_> = scalars.iter().map(|scalar| scalar.to_oql()).collect();
                format!("o.{} in set({})", FIELDS[*field], scalars.join(", "))
            }
            Self::Like(field, pattern) => format!("o.{} like '{pattern}'", FIELDS[*field]),
            Self::Defined(field) => format!("is_defined(o.{})", FIELDS[*field]),
            Self::Not(inner) => format!("not ({})", inner.to_oql()),
            Self::And(parts) => joined(parts, " and "),
            Self::Or(parts) => joined(parts, " or "),
        }
    }

    /// `Err` is a comparison that makes no sense, `None` undefined.
    fn evaluate(&self, object: &[Option<Scalar>], is_negated: bool) -> Result<Option<bool>, ()> {
        let turned = |truth: Option<bool>| truth.map(|truth| truth != is_negated);
        match self {
            Self::Not(inner) => inner.evaluate(object, !is_negated),
            Self::And(parts) => junction(parts, object, is_negated, is_negated),
            Self::Or(parts) => junction(parts, object, is_negated, !is_negated),
            Self::Compare(field, comparison, scalar) => {
                compared(object[*field], *comparison, Some(*scalar), is_negated)
            }
            Self::Fields(one, comparison, other) => {
                compared(object[*one], *comparison, object[*other], is_negated)
            }
            Self::In(field, scalars) => Ok(turned(Some(
                scalars.iter().any(|scalar| object[*field].is_some_and(|value| value.equals(*scalar))),
            ))),
            Self::Like(field, pattern) => Ok(match object[*field] {
                None | Some(Scalar::Null) => None,
                Some(Scalar::Text(text)) => turned(Some(text.starts_with(pattern.trim_end_matches('%')))),
                Some(_) => turned(Some(false)),
            }),
            Self::Defined(field) => Ok(turned(Some(object[*field].is_some()))),
        }
    }
}

fn junction(
    parts: &[Tree],
    object: &[Option<Scalar>],
    is_negated: bool,
    decisive: bool,
) -> Result<Option<bool>, ()> {
    let mut result = Some(!decisive);
    for part in parts {
        match part.evaluate(object, is_negated)? {
            Some(truth) if truth == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(result)
}

fn compared(
    one: Option<Scalar>,
    comparison: Comparison,
    other: Option<Scalar>,
    is_negated: bool,
) -> Result<Option<bool>, ()> {
    let comparison = if is_negated { comparison.negated() } else { comparison };
    let equality = |equal: bool| match comparison {
        Comparison::Equal => Some(equal),
        Comparison::NotEqual => Some(!equal),
        _ => None,
    };
    let (one, other) = match (one, other) {
        (one, other) if [one, other].contains(&Some(Scalar::Null)) => return Ok(equality(one == other)),
        (None, None) => return Ok((comparison == Comparison::Equal).then_some(true)),
        (None, _) | (_, None) => return Ok((comparison == Comparison::NotEqual).then_some(true)),
        (Some(one), Some(other)) => (one, other),
    };
    if let Some(truth) = equality(one.equals(other)) {
        return Ok(Some(truth));
    }
    let order = match (one, other) {
        (Scalar::Text(one), Scalar::Text(other)) => Some(one.cmp(other)),
        _ => one.number().zip(other.number()).and_then(|(one, other)| one.partial_cmp(&other)),
    };
    order.map(|order| Some(comparison.holds(order))).ok_or(())
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::Flag),
        (-2..3).prop_map(Scalar::Whole),
        (-3..4).prop_map(Scalar::Double),
        prop::sample::select(&["", "a", "ab", "b", "é"][..]).prop_map(Scalar::Text),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::*;
    prop::sample::select(&[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual][..])
}

fn tree() -> impl Strategy<Value = Tree> {
    let field = 0..FIELDS.len();
    let leaf = prop_oneof![
        4 => (field.clone(), comparison(), scalar()).prop_map(|(field, comparison, scalar)| Tree::Compare(field, comparison, scalar)),
        1 => (field.clone(), comparison(), field.clone()).prop_map(|(one, comparison, other)| Tree::Fields(one, comparison, other)),
        1 => (field.clone(), vec(scalar(), 0..4)).prop_map(|(field, scalars)| Tree::In(field, scalars)),
        1 => (field.clone(), prop::sample::select(&["a%", "%", "b%"][..])).prop_map(|(field, pattern)| Tree::Like(field, pattern)),
        1 => field.prop_map(Tree::Defined),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Tree::Not(Box::new(inner))),
            vec(inner.clone(), 1..4).prop_map(Tree::And),
            vec(inner, 1..4).prop_map(Tree::Or),
        ]
    })
}

fn object() -> impl Strategy<Value = Vec<Option<Scalar>>> {
    vec(prop::option::weighted(0.8, scalar()), 3).prop_map(|mut fields| {
        fields.push(None);
        fields
    })
}

/// The fields that are there, as a JSON document or as a map, in which what is not there is null.
fn put(world: &mut World, number: usize, object: &[Option<Scalar>]) {
    let there =
        FIELDS.iter().zip(object).filter_map(|(name, value)| value.map(|value| (*name, value.to_java())));
    let fields: Vec<_> = there.map(|(name, value)| (name, PdxFieldType::Object, value)).collect();
    let document = world.object("__GEMFIRE_JSON", &fields);
    world.put_at(&Java::Integer(number as i32), &document);
}

proptest! {
    #[test]
    fn conditions_mean_what_they_say(tree in tree(), objects in vec(object(), 1..8)) {
        let mut world = World::default();
        objects.iter().enumerate().for_each(|(number, object)| put(&mut world, number, object));
        let query = format!("select e.key from /r.entries e where {}", tree.to_oql().replace("o.", "e.value."));
        let found = world.ask(&query, &[]);
        let truths: Result<Vec<_>, ()> = objects.iter().map(|object| tree.evaluate(object, false)).collect();
        match truths {
            Err(()) => prop_assert!(found.is_err(), "{query}"),
            Ok(truths) => {
                let expected = truths.iter().enumerate().filter(|(_, truth)| **truth == Some(true));
                let expected: Vec<_> = expected.map(|(number, _)| number.to_string()).collect();
                prop_assert_eq!(found, Ok(expected), "{}", query);
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(select|from|where|/r|o|\\.|\\(|\\)|=|<|'a'|1|\\$1| |,|and|not|in|set|[a-z ]){0,30}") {
        if let Err(error) = Statement::parse(&text) {
            prop_assert!(error.position().is_none_or(|at| at.offset <= text.len()));
        }
    }
}
