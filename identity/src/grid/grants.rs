//! Entitlements, compiled once at login so that a permission costs a binary search (identity-spec 3.3).
//!
//! The form is `grid:<resource>:<operation>[:<target>[:<key>]]`:
//!
//! - *resource* is `data` or `cluster`, *operation* `manage`, `write` or `read`, in either case of letters; `*` is all.
//! - *target* is a region with or without its leading slash, or another of Geode's targets. It is compared whole: a
//!   grant on `orders` says nothing of `orders/archive`. Absent or `*` is all. Geode allows no colon in region names,
//!   so the target ends at the next colon.
//! - *key* is all the rest, colons included, compared with the text of the key. Absent or `*` is every key; hence a
//!   key that is the single character `*` cannot be granted alone. In a `scope` claim, which is split at spaces, a key
//!   cannot hold a space; a list claim can.
//!
//! What does not begin with `grid:` belongs to somebody else and is skipped. What does and makes no sense is skipped
//! with a warning: a mistake never widens what one may do.

use std::fmt;

use druse_protocol::auth::{KeyScope, Operation, Resource, ResourcePermission};

/// What every entitlement of ours begins with.
const PREFIX: &str = "grid:";
/// The wildcard of every field.
const ANY: &str = "*";
/// Resources times operations.
const SLOTS: usize = 6;

/// A compiled set of entitlements. The default permits nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Grants {
    slots: [Slot; SLOTS],
}

/// What is granted for one resource and operation. All lists are sorted and free of doubles.
#[derive(Clone, Default, PartialEq, Eq)]
struct Slot {
    everything: bool,
    targets: Box<[Box<str>]>,
    /// Target and key.
    keys: Box<[(Box<str>, Box<str>)]>,
    /// Keys granted in every target.
    keys_anywhere: Box<[Box<str>]>,
}

impl Grants {
    /// Compiles entitlements, skipping those of others and, with a warning, the malformed ones.
    pub fn compile<'a>(entitlements: impl IntoIterator<Item = &'a str>) -> Self {
        let mut drafts: [Draft; SLOTS] = std::array::from_fn(|_| Draft::default());
        for text in entitlements {
            match Entitlement::parse(text) {
                Ok(Some(entitlement)) => entitlement.add_to(&mut drafts),
                Ok(None) => {}
                Err(Malformed) => {
                    let shown: String = text.chars().take(80).collect();
                    tracing::warn!(entitlement = ?shown, "entitlement makes no sense and grants nothing");
                }
            }
        }
        Self { slots: drafts.map(Slot::from) }
    }

    /// Whether a text is an entitlement of ours and makes sense: what a tool checks before it writes one down.
    #[must_use]
    pub fn is_entitlement(text: &str) -> bool {
        matches!(Entitlement::parse(text), Ok(Some(_)))
    }

    /// Whether a text claims to be an entitlement of ours, sensible or not.
    pub(crate) fn is_ours(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Whether `wanted` is among what is granted.
    #[must_use]
    pub fn allow(&self, wanted: &ResourcePermission<'_>) -> bool {
        let Some(slot) = self.slots.get(slot_of(wanted.resource, wanted.operation)) else { return false };
        if slot.everything {
            return true;
        }
        let target = wanted.target.strip_prefix('/').unwrap_or(wanted.target);
        if slot.targets.binary_search_by(|granted| (**granted).cmp(target)).is_ok() {
            return true;
        }
        let KeyScope::Text(key) = wanted.key else { return false };
        let by_target_and_key =
            |(t, k): &(Box<str>, Box<str>)| (**t).cmp(target).then_with(|| (**k).cmp(key));
        slot.keys.binary_search_by(by_target_and_key).is_ok()
            || slot.keys_anywhere.binary_search_by(|granted| (**granted).cmp(key)).is_ok()
    }

    /// Whether nothing at all is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| *slot == Slot::default())
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: usize = self.slots.iter().map(|slot| slot.targets.len()).sum();
        let keys: usize = self.slots.iter().map(|slot| slot.keys.len() + slot.keys_anywhere.len()).sum();
        let everything = self.slots.iter().filter(|slot| slot.everything).count();
        f.debug_struct("Grants")
            .field("everything", &everything)
            .field("targets", &targets)
            .field("keys", &keys)
            .finish()
    }
}

/// One entitlement taken apart; `None` is the wildcard.
struct Entitlement<'a> {
    resource: Option<Resource>,
    operation: Option<Operation>,
    target: Option<&'a str>,
    key: Option<&'a str>,
}

struct Malformed;

impl<'a> Entitlement<'a> {
    /// `Ok(None)` if the text is not ours at all.
    fn parse(text: &'a str) -> Result<Option<Self>, Malformed> {
        let Some(rest) = text.strip_prefix(PREFIX) else { return Ok(None) };
        let mut fields = rest.splitn(4, ':');
        let resource = match fields.next() {
            Some(ANY) => None,
            Some(name) if name.eq_ignore_ascii_case("data") => Some(Resource::Data),
            Some(name) if name.eq_ignore_ascii_case("cluster") => Some(Resource::Cluster),
            _ => return Err(Malformed),
        };
        let operation = match fields.next() {
            Some(ANY) => None,
            Some(name) if name.eq_ignore_ascii_case("manage") => Some(Operation::Manage),
            Some(name) if name.eq_ignore_ascii_case("write") => Some(Operation::Write),
            Some(name) if name.eq_ignore_ascii_case("read") => Some(Operation::Read),
            _ => return Err(Malformed),
        };
        let target = fields.next().map(|target| target.strip_prefix('/').unwrap_or(target));
        let target = narrowed(target)?;
        if target.is_some_and(|target| target.contains(ANY)) {
            // No region name holds an asterisk: somebody expects a pattern, which there is not.
            return Err(Malformed);
        }
        let key = narrowed(fields.next())?;
        Ok(Some(Self { resource, operation, target, key }))
    }

    fn add_to(&self, drafts: &mut [Draft; SLOTS]) {
        for resource in [Resource::Data, Resource::Cluster] {
            for operation in [Operation::Manage, Operation::Write, Operation::Read] {
                let concerned = self.resource.is_none_or(|granted| granted == resource)
                    && self.operation.is_none_or(|granted| granted == operation);
                if let Some(draft) = drafts.get_mut(slot_of(resource, operation)).filter(|_| concerned) {
                    draft.add(self.target, self.key);
                }
            }
        }
    }
}

/// A field after the operation: absent and `*` are all, empty is a mistake.
fn narrowed(field: Option<&str>) -> Result<Option<&str>, Malformed> {
    match field {
        None | Some(ANY) => Ok(None),
        Some("") => Err(Malformed),
        Some(text) => Ok(Some(text)),
    }
}

/// A [`Slot`] in the making.
#[derive(Default)]
struct Draft {
    everything: bool,
    targets: Vec<Box<str>>,
    keys: Vec<(Box<str>, Box<str>)>,
    keys_anywhere: Vec<Box<str>>,
}

impl Draft {
    fn add(&mut self, target: Option<&str>, key: Option<&str>) {
        match (target, key) {
            (None, None) => self.everything = true,
            (Some(target), None) => self.targets.push(target.into()),
            (Some(target), Some(key)) => self.keys.push((target.into(), key.into())),
            (None, Some(key)) => self.keys_anywhere.push(key.into()),
        }
    }
}

impl From<Draft> for Slot {
    fn from(draft: Draft) -> Self {
        Self {
            everything: draft.everything,
            targets: sorted(draft.targets),
            keys: sorted(draft.keys),
            keys_anywhere: sorted(draft.keys_anywhere),
        }
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Box<[T]> {
    list.sort_unstable();
    list.dedup();
    list.into_boxed_slice()
}

const fn slot_of(resource: Resource, operation: Operation) -> usize {
    let resource = match resource {
        Resource::Data => 0,
        Resource::Cluster => 3,
    };
    let operation = match operation {
        Operation::Manage => 0,
        Operation::Write => 1,
        Operation::Read => 2,
    };
    resource + operation
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(entitlement: &str, region: &str, key: KeyScope<'_>) -> bool {
        Grants::compile([entitlement]).allow(&ResourcePermission::read(region, key))
    }

    #[test]
    fn a_region_grant_covers_the_region_and_all_its_keys() {
        let grant = "grid:data:read:orders";
        for key in [KeyScope::Region, KeyScope::Text("17"), KeyScope::Opaque] {
            assert!(reads(grant, "orders", key));
            assert!(reads(grant, "/orders", key));
            assert!(!reads(grant, "orders/archive", key));
            assert!(!reads(grant, "order", key));
            assert!(!reads(grant, "*", key));
        }
        assert!(!Grants::compile([grant]).allow(&ResourcePermission::write("orders", KeyScope::Region)));
    }

    #[test]
    fn a_key_grant_covers_that_key_only() {
        let grant = "grid:data:read:/orders:17";
        assert!(reads(grant, "orders", KeyScope::Text("17")));
        assert!(!reads(grant, "orders", KeyScope::Text("18")));
        assert!(!reads(grant, "other", KeyScope::Text("17")));
        assert!(!reads(grant, "orders", KeyScope::Region));
        assert!(!reads(grant, "orders", KeyScope::Opaque));
    }

    #[test]
    fn keys_keep_their_colons_and_slashes() {
        assert!(reads("grid:data:read:a/b:k:1:/x", "a/b", KeyScope::Text("k:1:/x")));
        assert!(!reads("grid:data:read:a/b:k:1:/x", "a/b", KeyScope::Text("k")));
    }

    #[test]
    fn wildcards_stand_for_whole_fields() {
        assert!(reads("grid:data:read", "anything", KeyScope::Opaque));
        assert!(reads("grid:*:*", "anything", KeyScope::Region));
        assert!(reads("grid:data:*:orders:*", "orders", KeyScope::Region));
        assert!(reads("grid:DATA:READ:*", "*", KeyScope::Region));
        assert!(reads("grid:data:read:*:17", "whatever", KeyScope::Text("17")));
        assert!(!reads("grid:data:read:*:17", "whatever", KeyScope::Text("1")));
        assert!(!reads("grid:data:read:ord*", "orders", KeyScope::Region));
        assert!(!reads("grid:cluster:*", "orders", KeyScope::Region));
    }

    #[test]
    fn what_is_foreign_or_malformed_grants_nothing() {
        for text in [
            "openid",
            "grid",
            "grid:",
            "grid:data",
            "grid:data:",
            "grid:data:read:",
            "grid:data:read:orders:",
            "grid::read",
            "grid:dat:read",
            "grid:data:reed",
            "grid:data:read:/",
            "GRID:data:read",
            " grid:data:read",
            "grid:data:read::17",
            "grid:data:read:ord*",
            "grid:data :read",
            "data:read",
        ] {
            assert!(Grants::compile([text]).is_empty(), "{text}");
            assert!(!Grants::is_entitlement(text), "{text}");
        }
        assert!(Grants::default().is_empty());
    }

    proptest! {
        /// The compiled form against the plain reading of the rule.
        #[test]
        fn compiling_changes_nothing(
            grants in prop::collection::vec(("[ab*]", prop::option::of("[xy*]")), 0..8),
            region in "[abc]",
            key in prop::option::of("[xyz]"),
        ) {
            let texts: Vec<String> = grants
                .iter()
                .map(|(target, key)| match key {
                    Some(key) => format!("grid:data:read:{target}:{key}"),
                    None => format!("grid:data:read:{target}"),
                })
                .collect();
            let wanted_key = key.as_deref().map_or(KeyScope::Region, KeyScope::Text);
            let expected = grants.iter().any(|(target, granted)| {
                (target == "*" || *target == region)
                    && match granted.as_deref() {
                        None | Some("*") => true,
                        granted => key.is_some() && granted == key.as_deref(),
                    }
            });
            let compiled = Grants::compile(texts.iter().map(String::as_str));
            prop_assert_eq!(compiled.allow(&ResourcePermission::read(&region, wanted_key)), expected);
            prop_assert!(!compiled.allow(&ResourcePermission::write(&region, wanted_key)));
        }
    }
}
