//! `druse get|put|remove|keys|size`: a small client of any Geode or Druse server.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use druse_client::auth::providers::{CommandCredentials, FileCredentials, RefreshTokenCredentials};
use druse_client::{Client, ClientBuilder, Credentials, Error, Region, ServerLocation, TlsSettings, Value};
use druse_protocol::value::JavaString;
use tokio::runtime::Builder;

use super::Failure;

/// Which server, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// Server to talk to; repeatable
    #[arg(long = "server", env = "DRUSE_SERVER", value_delimiter = ',', value_name = "HOST:PORT")]
    servers: Vec<ServerLocation>,
    /// Locator to ask for servers; repeatable
    #[arg(long = "locator", value_delimiter = ',', value_name = "HOST:PORT", conflicts_with = "servers")]
    locators: Vec<ServerLocation>,
    /// File of a login, as `druse login` writes it
    #[arg(long, value_name = "PATH", conflicts_with_all = ["token_file", "token_command", "username"])]
    login: Option<PathBuf>,
    /// File with an access token
    #[arg(long, env = "DRUSE_TOKEN_FILE", value_name = "PATH", conflicts_with_all = ["token_command", "username"])]
    token_file: Option<PathBuf>,
    /// Program that prints an access token; split at spaces, no shell
    #[arg(long, value_name = "COMMAND", conflicts_with = "username")]
    token_command: Option<String>,
    /// User name; the password is asked for, or taken from --password-file
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File with the password, for scripts
    #[arg(long, value_name = "PATH", requires = "username")]
    password_file: Option<PathBuf>,
    /// Who must have signed the server's certificate (PEM); switches TLS on
    #[arg(long, env = "DRUSE_TLS_CA", value_name = "PATH")]
    tls_ca: Option<PathBuf>,
    /// Own certificate (PEM), if the server wants one
    #[arg(long, value_name = "PATH", requires_all = ["tls_ca", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Name in the server's certificate, if it is not the address
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_server_name: Option<String>,
}

/// How a text on the command line becomes a Java object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JavaType {
    /// java.lang.String
    String,
    /// java.lang.Integer
    Integer,
    /// java.lang.Long
    Long,
    /// java.lang.Double
    Double,
    /// java.lang.Boolean
    Boolean,
    /// byte[], written as hexadecimal digits
    Bytes,
}

#[derive(Debug, Args)]
pub(crate) struct RegionArgs {
    #[command(flatten)]
    connect: Connect,
    /// Region, such as /orders
    region: String,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    connect: Connect,
    /// Region, such as /orders
    region: String,
    /// Key
    key: String,
    /// Java type of the key
    #[arg(long, value_enum, default_value = "string")]
    key_type: JavaType,
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    connect: Connect,
    /// Region, such as /orders
    region: String,
    /// Key
    key: String,
    /// Value
    value: String,
    /// Java type of the key
    #[arg(long, value_enum, default_value = "string")]
    key_type: JavaType,
    /// Java type of the value
    #[arg(long = "type", value_enum, default_value = "string")]
    value_type: JavaType,
    /// Only if there is no entry under the key; status 1 if there is
    #[arg(long)]
    if_absent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    connect: Connect,
    /// Region, such as /orders
    region: String,
    /// Key
    key: String,
    /// Java type of the key
    #[arg(long, value_enum, default_value = "string")]
    key_type: JavaType,
}

pub(crate) fn get(args: GetArgs) -> Result<(), Failure> {
    let key = args.key_type.parse(&args.key)?;
    let found = with_region(&args.connect, &args.region, async move |region| region.get(&key).await)?;
    let value = found.ok_or_else(Failure::absent)?;
    print_line(&value)
}

pub(crate) fn put(args: PutArgs) -> Result<(), Failure> {
    let key = args.key_type.parse(&args.key)?;
    let value = args.value_type.parse(&args.value)?;
    let if_absent = args.if_absent;
    let old = with_region(&args.connect, &args.region, async move |region| match if_absent {
        true => region.put_if_absent(&key, &value).await,
        false => region.put(&key, &value).await.map(|()| None),
    })?;
    match old {
        Some(old) => Err(Failure::work(format!("there is a value under {} already: {old}", args.key))),
        None => Ok(()),
    }
}

pub(crate) fn remove(args: RemoveArgs) -> Result<(), Failure> {
    let key = args.key_type.parse(&args.key)?;
    let removed = with_region(&args.connect, &args.region, async move |region| region.remove(&key).await)?;
    if removed { Ok(()) } else { Err(Failure::absent()) }
}

pub(crate) fn keys(args: RegionArgs) -> Result<(), Failure> {
    let keys = with_region(&args.connect, &args.region, async |region| region.keys().await)?;
    keys.iter().try_for_each(print_line)
}

pub(crate) fn size(args: RegionArgs) -> Result<(), Failure> {
    let size = with_region(&args.connect, &args.region, async |region| region.size().await)?;
    print_line(&size)
}

/// A reader that has seen enough (`| head`) is no failure.
pub(super) fn print_line(line: &impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::work("cannot write to standard output").because(&error))
        }
        _ => Ok(()),
    }
}

impl JavaType {
    fn parse(self, text: &str) -> Result<Value, Failure> {
        let wrong = |what: &str| Failure::usage(format!("{text:?} is no {what}"));
        match self {
            Self::String => Ok(Value::String(JavaString::from(text))),
            Self::Integer => text.parse().map(Value::Integer).map_err(|_| wrong("Integer (32 bits)")),
            Self::Long => text.parse().map(Value::Long).map_err(|_| wrong("Long (64 bits)")),
            Self::Double => text.parse().map(Value::Double).map_err(|_| wrong("Double")),
            Self::Boolean => text.parse().map(Value::Boolean).map_err(|_| wrong("Boolean: true or false")),
            Self::Bytes => {
                hex(text).map(Value::Bytes).ok_or_else(|| wrong("byte[]: an even number of hex digits"))
            }
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    digits.chunks(2).map(|pair| <[u8; 2]>::try_from(pair).ok().map(|[high, low]| high << 4 | low)).collect()
}

fn with_region<T>(
    connect: &Connect,
    region: &str,
    work: impl AsyncFnOnce(Region<Value, Value>) -> Result<T, Error>,
) -> Result<T, Failure> {
    with_client(connect, async |client| work(client.region(region)).await.map_err(failure))
}

/// Runs `work` with a client, and says goodbye behind it.
pub(super) fn with_client<T>(
    connect: &Connect,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    super::logging::start("warn", false);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unreachable("the runtime cannot be started").because(&error))?;
    let builder = connect.builder()?;
    runtime.block_on(async {
        let client = builder.build().map_err(failure)?;
        let outcome = work(&client).await;
        client.close().await;
        outcome
    })
}

pub(super) fn failure(error: Error) -> Failure {
    let failure = match &error {
        Error::Configuration(_) => Failure::usage("the connection cannot be set up"),
        error if error.is_retryable() => Failure::unreachable("the server cannot be reached"),
        Error::Credential(_) | Error::Login(_) | Error::Expired { .. } => {
            Failure::work("the server lets nobody in like this")
        }
        _ => Failure::work("the operation failed"),
    };
    let hint = match &error {
        error if error.needs_reauthentication() => {
            Some("log in anew (druse login), or show a fresh token with --token-file or --token-command")
        }
        Error::Login(_) => {
            Some("this server wants credentials: --login, --token-file, --token-command or --username")
        }
        _ => None,
    };
    let failure = failure.because(&error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

impl Connect {
    fn builder(&self) -> Result<ClientBuilder, Failure> {
        let mut builder = Client::builder();
        if self.servers.is_empty() && self.locators.is_empty() {
            return Err(Failure::usage("no server is named")
                .hint("--server HOST:PORT, --locator HOST:PORT, or DRUSE_SERVER in the environment"));
        }
        for server in &self.servers {
            builder = builder.server(server.clone());
        }
        for locator in &self.locators {
            builder = builder.locator(locator.clone());
        }
        if let Some(path) = &self.login {
            builder = builder.auth_initialize(RefreshTokenCredentials::new(path));
        } else if let Some(path) = &self.token_file {
            builder = builder.auth_initialize(FileCredentials::new(path));
        } else if let Some(command) = &self.token_command {
            let mut words = command.split_whitespace();
            let program = words.next().ok_or_else(|| Failure::usage("--token-command names no program"))?;
            builder = builder.auth_initialize(CommandCredentials::new(program, words));
        } else if let Some(username) = &self.username {
            builder = builder.credentials(Credentials::password(username, self.password()?));
        }
        if let Some(ca) = &self.tls_ca {
            let mut tls = match (&self.tls_cert, &self.tls_key) {
                (Some(certificate), Some(key)) => TlsSettings::with_identity(ca, certificate, key),
                _ => TlsSettings::trusting(ca),
            }
            .map_err(failure)?;
            if let Some(name) = &self.tls_server_name {
                tls = tls.server_name(name);
            }
            builder = builder.tls(tls);
        }
        Ok(builder)
    }

    fn password(&self) -> Result<String, Failure> {
        let unreadable =
            |error: std::io::Error| Failure::usage("the password cannot be read").because(&error);
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path).map_err(unreadable)?;
            return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        if std::io::stdin().is_terminal() {
            return rpassword::prompt_password("Password: ").map_err(unreadable);
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_java_objects_or_say_what_is_wrong() {
        assert_eq!(JavaType::Integer.parse("-5").unwrap(), Value::Integer(-5));
        assert_eq!(JavaType::Bytes.parse("00fF").unwrap(), Value::Bytes(vec![0, 255]));
        for (kind, text) in [
            (JavaType::Integer, "3000000000"),
            (JavaType::Bytes, "abc"),
            (JavaType::Bytes, "0x"),
            (JavaType::Boolean, "yes"),
        ] {
            assert!(kind.parse(text).is_err(), "{text}");
        }
    }
}
