//! What of a wish can be granted.

use crate::error::{ErrorCode, OAuthError};
use crate::grid::Grants;

/// Scopes that say who somebody is, not what it may do.
pub(super) const IDENTITY: [&str; 3] = ["openid", "profile", "offline_access"];
/// Lets a client work as somebody with all that its subject may do at the issuer.
pub const OPERATE: &str = "identity:operate";
/// What every right to act for somebody begins with; a subject or `*` follows.
pub const IMPERSONATE: &str = "identity:impersonate:";

/// The most scopes of one wish.
const MAX_SCOPES: usize = 64;

/// Reads the parameter `scope` (RFC 6749, 3.3), each scope once, in order.
pub(super) fn parse(text: &str) -> Result<Vec<String>, OAuthError> {
    const WRONG: OAuthError = OAuthError::new(ErrorCode::InvalidScope, "the scope is malformed");
    let sound = |one: &str| one.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    let mut scope: Vec<String> = Vec::new();
    for one in text.split(' ').filter(|one| !one.is_empty()) {
        if !sound(one) || scope.len() >= MAX_SCOPES {
            return Err(WRONG);
        }
        if !scope.iter().any(|known| known == one) {
            scope.push(one.to_owned());
        }
    }
    if scope.is_empty() { Err(WRONG) } else { Ok(scope) }
}

/// What of `wanted` is among `held`. Where a wish is wider than what is held, what is held of it remains.
pub(super) fn meet(wanted: &[String], held: &[String]) -> Vec<String> {
    let mut met: Vec<String> = wanted.iter().filter(|one| is_covered(one, held)).cloned().collect();
    for one in held.iter().filter(|one| is_covered(one, wanted)) {
        if !met.contains(one) {
            met.push(one.clone());
        }
    }
    met
}

/// Whether a scope is among those held, wildcards considered.
pub(super) fn is_covered(one: &str, held: &[String]) -> bool {
    held.iter().any(|held| held == one || covers(held, one))
}

/// Whether a text is something that an account may be given: an entitlement of the grid, or a right at the issuer.
pub(super) fn is_right(text: &str) -> bool {
    let impersonate = text.strip_prefix(IMPERSONATE).is_some_and(|whom| !whom.is_empty());
    text == OPERATE || impersonate || Grants::is_entitlement(text)
}

/// Whether one entitlement reaches as far as another. Others than ours cover themselves only, but for the right to act
/// for anybody.
fn covers(held: &str, wanted: &str) -> bool {
    if let (Some("*"), Some(_)) = (held.strip_prefix(IMPERSONATE), wanted.strip_prefix(IMPERSONATE)) {
        return true;
    }
    if !Grants::is_entitlement(held) || !Grants::is_entitlement(wanted) {
        return false;
    }
    let fields = |text: &str| -> Vec<String> {
        let mut fields: Vec<String> = text.splitn(5, ':').skip(1).map(str::to_owned).collect();
        fields.iter_mut().take(2).for_each(|field| field.make_ascii_lowercase());
        if let Some(target) = fields.get_mut(2) {
            *target = target.strip_prefix('/').unwrap_or(target).to_owned();
        }
        fields.resize(4, "*".to_owned());
        fields
    };
    fields(held).iter().zip(fields(wanted)).all(|(held, wanted)| held == "*" || *held == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split(' ').filter(|one| !one.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn scopes_are_read_once_each() {
        assert_eq!(parse("openid a  openid b").unwrap(), ["openid", "a", "b"]);
        let many: String = (0..65).map(|number| format!("s{number} ")).collect();
        for wrong in ["", " ", "a\"", "a\\", "é", "a\tb", many.as_str()] {
            assert_eq!(parse(wrong).map_err(|error| error.code), Err(ErrorCode::InvalidScope), "{wrong}");
        }
    }

    #[test]
    fn wildcards_cover_what_they_stand_for() {
        for (held, wanted, covered) in [
            ("grid:*:*", "grid:data:read:orders:17", true),
            ("grid:data:read", "grid:data:read:orders", true),
            ("grid:data:read:orders", "grid:data:read", false),
            ("grid:data:read:orders", "grid:DATA:READ:/orders:17", true),
            ("grid:data:read:orders:17", "grid:data:read:orders:18", false),
            ("grid:data:write:orders", "grid:data:read:orders", false),
            ("openid", "openid", true),
            ("identity:*", "identity:operate", false),
            ("identity:impersonate:*", "identity:impersonate:ann", true),
            ("identity:impersonate:ann", "identity:impersonate:*", false),
            ("*", "grid:data:read", false),
        ] {
            assert_eq!(is_covered(wanted, &list(held)), covered, "{held} {wanted}");
        }
    }

    #[test]
    fn a_wide_wish_leaves_what_is_held() {
        let met = |wanted, held| meet(&list(wanted), &list(held));
        assert_eq!(
            met("openid grid:*:*", "openid grid:data:read:orders"),
            ["openid", "grid:data:read:orders"]
        );
        assert_eq!(met("grid:data:read:orders", "grid:*:*"), ["grid:data:read:orders"]);
        assert_eq!(met("grid:data:write", "grid:data:read"), [""; 0]);
    }
}
