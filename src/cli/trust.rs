//! Whose tokens a node takes: from flags and the configuration file to the issuers that its manager trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use druse_identity::ends::{BlindPolicy, EndsSource, RemoteEnds};
use druse_identity::key_set::{Fetch, FileSource, KeySet, KeySetCache, Policy, UrlSource};
use druse_identity::oidc::{TrustedFeed, TrustedIssuer};
use druse_identity::token::{Profile, TokenConfig};
use druse_protocol::time::Clock;
use serde::Deserialize;
use tracing::warn;

use super::Failure;
use super::issuer::secret_in;

/// The flags, for one issuer; the file can name several.
#[derive(Debug, Default, Args)]
pub(crate) struct TrustArgs {
    /// Key set (JWKS) that tokens are verified with; read again when it changes
    #[arg(long, env = "DRUSE_JWKS_FILE", value_name = "PATH", conflicts_with = "jwks_url")]
    jwks_file: Option<PathBuf>,
    /// The same from a URL (https, or http on the loopback address)
    #[arg(long, env = "DRUSE_JWKS_URL", value_name = "URL")]
    jwks_url: Option<String>,
    /// The issuer that tokens must name, byte for byte
    #[arg(long, env = "DRUSE_ISSUER", value_name = "URL")]
    issuer: Option<String>,
    /// The audience that tokens must name
    #[arg(long, env = "DRUSE_AUDIENCE", value_name = "NAME")]
    audience: Option<String>,
    /// Accept only tokens that keep to RFC 9068: of type `at+jwt`, with `jti` and `client_id`. Other issuers' are of type
    /// `JWT` or none, and may lack both
    #[arg(long)]
    strict_tokens: bool,
    /// Follow what the issuer (a `druse issuer`) says is over, as this client of it; it needs identity:feed in its scope
    #[arg(long, env = "DRUSE_ENDS_CLIENT", value_name = "ID", requires = "ends_secret_file")]
    ends_client: Option<String>,
    /// File with that client's secret
    #[arg(long, env = "DRUSE_ENDS_SECRET_FILE", value_name = "PATH")]
    ends_secret_file: Option<PathBuf>,
    /// Where the feed of ends is [default: the issuer's /v1/feed]
    #[arg(long, env = "DRUSE_ENDS_URL", value_name = "URL", requires = "ends_client")]
    ends_url: Option<String>,
    /// What to do while that feed is silent [default: until-expiry]
    #[arg(long, value_enum, value_name = "POLICY", requires = "ends_client")]
    when_blind: Option<WhenBlind>,
}

/// One issuer in the file: its section `security`, or a table of `security.issuers`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct IssuerSection {
    pub(crate) realm: Option<String>,
    pub(crate) jwks_file: Option<PathBuf>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) strict_tokens: Option<bool>,
    pub(crate) ends_client: Option<String>,
    pub(crate) ends_secret_file: Option<PathBuf>,
    pub(crate) ends_url: Option<String>,
    pub(crate) when_blind: Option<WhenBlind>,
}

/// The policies by the names that people type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenBlind {
    /// Tokens are good until they run out
    UntilExpiry,
    /// Nobody gets in and nothing is permitted
    Strict,
}

/// An issuer, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trusted {
    pub(crate) keys: KeySource,
    pub(crate) config: TokenConfig,
    pub(crate) feed: Option<Feed>,
}

/// Where a key set comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    File(PathBuf),
    Url(String),
}

/// A feed of ends, and as whom it is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feed {
    url: String,
    client: String,
    secret_file: PathBuf,
    when_blind: BlindPolicy,
}

impl TrustArgs {
    /// Whether any of them says something about an issuer.
    pub(crate) fn is_given(&self) -> bool {
        let texts = [&self.jwks_url, &self.issuer, &self.audience, &self.ends_client, &self.ends_url];
        let paths = [&self.jwks_file, &self.ends_secret_file];
        self.strict_tokens
            || texts.iter().any(|text| text.is_some())
            || paths.iter().any(|path| path.is_some())
    }

    /// Flags and environment over the file.
    pub(crate) fn over(&self, file: &IssuerSection) -> Result<IssuerSection, Failure> {
        // A source in the flags replaces the one in the file, whatever kind that is.
        let (jwks_file, jwks_url) = match (&self.jwks_file, &self.jwks_url) {
            (None, None) if file.jwks_file.is_some() && file.jwks_url.is_some() => {
                return Err(Failure::usage("the configuration file sets both jwks-file and jwks-url")
                    .hint("keep one of them"));
            }
            (None, None) => (file.jwks_file.clone(), file.jwks_url.clone()),
            (path, url) => (path.clone(), url.clone()),
        };
        let text = |flag: &Option<String>, file: &Option<String>| flag.as_ref().or(file.as_ref()).cloned();
        Ok(IssuerSection {
            realm: file.realm.clone(),
            jwks_file,
            jwks_url,
            issuer: text(&self.issuer, &file.issuer),
            audience: text(&self.audience, &file.audience),
            strict_tokens: Some(self.strict_tokens || file.strict_tokens.unwrap_or(false)),
            ends_client: text(&self.ends_client, &file.ends_client),
            ends_secret_file: self.ends_secret_file.as_ref().or(file.ends_secret_file.as_ref()).cloned(),
            ends_url: text(&self.ends_url, &file.ends_url),
            when_blind: self.when_blind.or(file.when_blind),
        })
    }
}

impl IssuerSection {
    /// Whether it says where keys come from, which makes it an issuer.
    pub(crate) fn has_keys(&self) -> bool {
        self.jwks_file.is_some() || self.jwks_url.is_some()
    }

    /// Everything that is needed, or what is missing.
    pub(crate) fn complete(self) -> Result<Trusted, Failure> {
        let missing = |flag: &str| Failure::usage(format!("--security token needs {flag}"));
        let keys = match (self.jwks_file, self.jwks_url) {
            (Some(_), Some(url)) => {
                return Err(Failure::usage(format!(
                    "the keys of one issuer come from a file and from {url}"
                ))
                .hint("keep one of jwks-file and jwks-url"));
            }
            (Some(path), None) => KeySource::File(path),
            (None, Some(url)) => KeySource::Url(url),
            (None, None) => return Err(missing("--jwks-file or --jwks-url")),
        };
        let issuer = self.issuer.ok_or_else(|| missing("--issuer"))?;
        let feed = match (self.ends_client, self.ends_secret_file) {
            (Some(client), Some(secret_file)) => Some(Feed {
                url: self.ends_url.unwrap_or_else(|| format!("{issuer}/v1/feed")),
                client,
                secret_file,
                when_blind: self.when_blind.map_or(BlindPolicy::default(), Into::into),
            }),
            (None, None) if self.ends_url.is_none() && self.when_blind.is_none() => None,
            _ => {
                return Err(Failure::usage("a feed of ends needs --ends-client and --ends-secret-file")
                    .hint(
                        "druse issuer client add NODE --grant-type client-credentials --scope identity:feed",
                    ));
            }
        };
        let mut config = TokenConfig::new(issuer, self.audience.ok_or_else(|| missing("--audience"))?);
        config.realm = self.realm;
        if self.strict_tokens.unwrap_or(false) {
            config.profile = Profile::Own;
        }
        Ok(Trusted { keys, config, feed })
    }
}

impl Trusted {
    /// Opens what it stands on.
    pub(crate) async fn open(self, clock: &Arc<dyn Clock>) -> Result<TrustedIssuer, Failure> {
        let feed = self.feed.map(Feed::open).transpose()?;
        Ok(TrustedIssuer { config: self.config, keys: self.keys.cache(clock).await?, feed })
    }
}

impl Feed {
    fn open(self) -> Result<TrustedFeed, Failure> {
        let secret = secret_in(&self.secret_file)?;
        let source = RemoteEnds::new(&self.url, &self.client, &secret)
            .map_err(|error| Failure::usage("the feed of ends cannot be followed").because(&error))?;
        let source: Arc<dyn EndsSource> = Arc::new(source);
        Ok(TrustedFeed { source, when_blind: self.when_blind })
    }
}

impl KeySource {
    /// The cache over this source. What is wrong with a file is said at once; a URL may come up later.
    async fn cache(self, clock: &Arc<dyn Clock>) -> Result<KeySetCache, Failure> {
        match self {
            Self::File(path) => {
                look_at(&path).await?;
                Ok(KeySetCache::new(FileSource::new(&path), Policy::file(), Arc::clone(clock)))
            }
            Self::Url(url) => {
                let source = UrlSource::new(&url, None)
                    .map_err(|error| Failure::usage("--jwks-url cannot be used").because(&error))?;
                if let Err(error) = source.fetch(true).await {
                    warn!(%error, "the key set cannot be fetched yet; logins are refused until it can");
                }
                Ok(KeySetCache::new(source, Policy::network(), Arc::clone(clock)))
            }
        }
    }
}

async fn look_at(path: &Path) -> Result<(), Failure> {
    let wrong = || Failure::usage(format!("key set {} cannot be used", path.display()));
    // A source of its own: one that has been read says that nothing is new.
    let fetched = FileSource::new(path).fetch(true).await.map_err(|error| wrong().because(&error))?;
    if let Some(fetched) = fetched {
        KeySet::parse(&fetched.document).map_err(|error| wrong().because(&error))?;
    }
    Ok(())
}

impl From<WhenBlind> for BlindPolicy {
    fn from(when: WhenBlind) -> Self {
        match when {
            WhenBlind::UntilExpiry => Self::UntilExpiry,
            WhenBlind::Strict => Self::Strict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> IssuerSection {
        toml::from_str(text).unwrap()
    }

    const ISSUER: &str = "jwks-file = \"k.json\"\nissuer = \"https://id\"\naudience = \"grid\"\n";

    #[test]
    fn a_feed_is_at_the_issuer_unless_it_is_elsewhere() {
        let client = format!("{ISSUER}ends-client = \"node\"\nends-secret-file = \"s\"\n");
        let feed = |text: &str| section(text).complete().unwrap().feed.unwrap();
        let usual = feed(&client);
        assert_eq!((usual.url.as_str(), usual.when_blind), ("https://id/v1/feed", BlindPolicy::UntilExpiry));
        let other = feed(&format!("{client}ends-url = \"https://other/feed\"\nwhen-blind = \"strict\""));
        assert_eq!((other.url.as_str(), other.when_blind), ("https://other/feed", BlindPolicy::Strict));
        assert_eq!(section(ISSUER).complete().unwrap().feed, None);
    }

    #[test]
    fn half_a_feed_is_refused() {
        for half in [
            "ends-client = \"node\"",
            "ends-secret-file = \"s\"",
            "when-blind = \"strict\"",
            "ends-url = \"u\"",
        ] {
            assert!(section(&format!("{ISSUER}{half}")).complete().is_err(), "{half}");
        }
    }
}
