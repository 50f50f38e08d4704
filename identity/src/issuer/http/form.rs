//! Parameters as forms and queries write them (WHATWG URL, `application/x-www-form-urlencoded`), each at most once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::{ErrorCode, OAuthError};

/// The most parameters; OAuth knows some thirty.
const MAX_PARAMETERS: usize = 64;
/// The ones that may repeat (RFC 8693, 2.1; RFC 8707, 2).
const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// The parameters of a request. An empty one counts as absent (RFC 6749, 3.1).
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// Reads parameters.
    ///
    /// # Errors
    /// Too many of them, one twice, or an escape that makes no sense.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut form = Self::default();
        for (count, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count >= MAX_PARAMETERS {
                return Err(OAuthError::new(ErrorCode::InvalidRequest, "there are too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            let values = form.0.entry(name).or_default();
            values.push(value);
        }
        match form.0.iter().find(|(name, values)| values.len() > 1 && !REPEATABLE.contains(&name.as_str())) {
            Some(_) => Err(OAuthError::new(ErrorCode::InvalidRequest, "a parameter is given twice")),
            None => Ok(form),
        }
    }

    /// A parameter that is there and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a parameter, empty ones left out.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request` with that text.
    pub fn required(&self, name: &str, missing: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::new(ErrorCode::InvalidRequest, missing))
    }
}

/// Values may be secrets.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Undoes the escapes of one name or value.
pub(crate) fn decode(text: &str) -> Result<String, OAuthError> {
    const WRONG: OAuthError = OAuthError::new(ErrorCode::InvalidRequest, "a parameter is escaped wrongly");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()).ok_or(WRONG)?, digit(rest.next()).ok_or(WRONG)?);
                u8::try_from(high * 16 + low).map_err(|_| WRONG)?
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| WRONG)?;
    if text.contains('\0') { Err(WRONG) } else { Ok(text) }
}

/// Adds parameters to an address that has been registered, keeping what stands there (RFC 6749, 3.1.2).
#[must_use]
pub fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut address = address.to_owned();
    let mut separator = if address.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        let _ = write!(address, "{separator}{name}={}", encode(value));
        separator = '&';
    }
    address
}

/// Escapes everything but the unreserved characters (RFC 3986, 2.3).
pub(crate) fn encode(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_unescaped_and_empty_ones_absent() {
        let form = Form::parse("a=1%202&b=x+y&c=&d&%C3%A9=%C3%A9&&e=a=b").unwrap();
        assert_eq!(form.get("a"), Some("1 2"));
        assert_eq!(form.get("b"), Some("x y"));
        assert_eq!((form.get("c"), form.get("d"), form.get("z")), (None, None, None));
        assert_eq!(form.get("é"), Some("é"));
        assert_eq!(form.get("e"), Some("a=b"));
    }

    #[test]
    fn a_parameter_stands_once_but_for_two() {
        for twice in ["a=1&a=1", "a=1&%61=2", "a=&a="] {
            assert!(Form::parse(twice).is_err(), "{twice}");
        }
        let form = Form::parse("resource=x&audience=a&resource=y").unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn wrong_escapes_and_floods_are_refused() {
        for wrong in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%00", "%C3=1"] {
            assert!(Form::parse(wrong).is_err(), "{wrong}");
        }
        let many: String = (0..65).map(|number| format!("p{number}=1&")).collect();
        assert!(Form::parse(&many).is_err());
    }

    #[test]
    fn debug_shows_names_only() {
        assert_eq!(format!("{:?}", Form::parse("client_secret=hush").unwrap()), r#"{"client_secret"}"#);
    }

    #[test]
    fn addresses_keep_their_own_query() {
        let with = |address| with_parameters(address, &[("code", "a b"), ("state", "&")]);
        assert_eq!(with("https://a/cb"), "https://a/cb?code=a%20b&state=%26");
        assert_eq!(with("https://a/cb?x=1"), "https://a/cb?x=1&code=a%20b&state=%26");
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(text in "[^\0]{0,40}") {
            prop_assert_eq!(decode(&encode(&text)).unwrap(), text);
        }

        #[test]
        fn any_text_is_survived(text in ".{0,80}") {
            let _ = Form::parse(&text);
        }
    }
}
