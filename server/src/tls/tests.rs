use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, ServerConnection};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsConnector;

use super::*;

/// A certificate authority, and files signed by it.
pub(crate) struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("key")).expect("certificate");
        let directory = tempfile::tempdir().expect("directory");
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("write");
        Self { directory, issuer }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes `<name>.pem` and `<name>.key`.
    pub(crate) fn issue(&self, name: &str) -> TlsConfig {
        let key = KeyPair::generate().expect("key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate");
        let config = TlsConfig::new(self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&config.certificate, certificate.pem()).expect("write");
        std::fs::write(&config.key, key.serialize_pem()).expect("write");
        config
    }

    /// A client that trusts this authority and shows `identity`.
    fn client(&self, identity: Option<&TlsConfig>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("root");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some(files) => builder
                .with_client_auth_cert(
                    certificates(&files.certificate, "certificate").expect("certificate"),
                    PrivateKeyDer::from_pem_file(&files.key).expect("key"),
                )
                .expect("identity"),
        })
    }
}

impl Authority {
    /// A client's side of TLS over `stream`.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        identity: Option<&TlsConfig>,
        stream: S,
    ) -> io::Result<tokio_rustls::client::TlsStream<S>> {
        let name = ServerName::try_from("grid.test").expect("name");
        TlsConnector::from(self.client(identity)).connect(name, stream).await
    }
}

type Accepted = Result<(Box<TlsStream<tokio::io::DuplexStream>>, Option<Arc<[u8]>>), HandshakeError>;

/// Lets a client and the node meet; the client sends `hello` and stays.
async fn meet(tls: &Tls, client: Arc<ClientConfig>) -> Accepted {
    let (near, far) = duplex(16 << 10);
    let name = ServerName::try_from("grid.test").expect("name");
    let asking = async {
        let mut stream = TlsConnector::from(client).connect(name, near).await?;
        stream.write_all(b"hello").await?;
        // Under TLS 1.3 a refused client certificate shows only here.
        stream.read_u8().await
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    let accepting = async {
        let (mut stream, certificate) = tls.accept(far, deadline).await?;
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.expect("hello");
        assert_eq!(&hello, b"hello");
        stream.write_u8(1).await.expect("answer");
        stream.flush().await.expect("answer");
        Ok((stream, certificate))
    };
    let (accepted, asked) = tokio::join!(accepting, asking);
    assert_eq!(accepted.is_ok(), asked.is_ok(), "both sides see it alike");
    accepted
}

#[tokio::test]
async fn a_client_needs_no_certificate_unless_asked() {
    let authority = Authority::new();
    let tls = Tls::load(&authority.issue("grid.test")).expect("files");
    let (_, certificate) = meet(&tls, authority.client(None)).await.expect("agreement");
    assert_eq!(certificate, None);
}

#[tokio::test]
async fn a_client_certificate_reaches_the_peer() {
    let authority = Authority::new();
    let tls = Tls::load(&authority.issue("grid.test").client_ca(authority.path("ca.pem"))).expect("files");
    let ann = authority.issue("ann");
    let (_, certificate) = meet(&tls, authority.client(Some(&ann))).await.expect("agreement");
    let shown = certificates(&ann.certificate, "certificate").expect("file").remove(0);
    assert_eq!(certificate.as_deref(), Some(shown.as_ref()));
}

#[tokio::test]
async fn a_missing_or_foreign_client_certificate_is_refused() {
    let authority = Authority::new();
    let elsewhere = Authority::new();
    let stranger = elsewhere.issue("eve");
    let mut config = authority.issue("grid.test").client_ca(authority.path("ca.pem"));
    let tls = Tls::load(&config).expect("files");
    for identity in [None, Some(&stranger)] {
        let refused = meet(&tls, authority.client(identity)).await.expect_err("no agreement");
        assert!(matches!(refused, HandshakeError::Refused(_)), "{refused}");
    }
    config.client_certificate_optional = true;
    let tls = Tls::load(&config).expect("files");
    assert_eq!(meet(&tls, authority.client(None)).await.expect("agreement").1, None);
}

#[tokio::test]
async fn a_plain_client_is_told_apart_and_sees_an_alert() {
    let authority = Authority::new();
    let tls = Tls::load(&authority.issue("grid.test")).expect("files");
    let (mut near, far) = duplex(16 << 10);
    // Mode and version of a Geode client, and the rest of a handshake.
    near.write_all(b"\x64\xff\x00\x96\x3b\x00\x00\x13\x88\x01\x26").await.expect("written");
    let refused = tls.accept(far, Instant::now() + Duration::from_secs(5)).await.expect_err("no agreement");
    assert!(matches!(refused, HandshakeError::NotTls), "{refused}");
    // What a Java client recognises as "Server expecting SSL connection".
    assert_eq!(near.read_u8().await.expect("an alert"), 0x15);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_at_the_deadline() {
    let authority = Authority::new();
    let tls = Tls::load(&authority.issue("grid.test")).expect("files");
    let (_near, far) = duplex(64);
    let begun = Instant::now();
    let refused = tls.accept(far, begun + Duration::from_secs(5)).await.expect_err("no agreement");
    assert!(matches!(refused, HandshakeError::TooLong));
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[test]
fn a_server_name_that_is_an_address_is_passed_over() {
    let authority = Authority::new();
    let tls = Tls::load(&authority.issue("grid.test")).expect("files");
    let name = ServerName::try_from("grid.test").expect("name");
    let mut client = ClientConnection::new(authority.client(None), name).expect("client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("greeting");
    // A Java client's own words: the same length, so that no other field changes.
    let at = hello.windows(9).position(|bytes| bytes == b"grid.test").expect("server name");
    hello[at..at + 9].copy_from_slice(b"127.0.0.1");

    let mut server = ServerConnection::new(Arc::clone(tls.0.config())).expect("server");
    server.read_tls(&mut hello.as_slice()).expect("read");
    server.process_new_packets().expect("no complaint about the name");
    let mut answer = Vec::new();
    server.write_tls(&mut answer).expect("answer");
    assert_eq!(answer.first(), Some(&0x16), "a handshake record and no alert");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let good = authority.issue("grid.test");
    let missing = TlsConfig::new(authority.path("nowhere.pem"), &good.key);
    let error = Tls::load(&missing).err().expect("no such file");
    assert!(matches!(&error, TlsError::Unreadable { path, .. } if path.ends_with("nowhere.pem")), "{error}");

    let swapped = TlsConfig::new(&good.key, &good.key);
    assert!(matches!(Tls::load(&swapped).err(), Some(TlsError::NotPem { what: "certificate", .. })));
    let swapped = TlsConfig::new(&good.certificate, &good.certificate);
    assert!(matches!(Tls::load(&swapped).err(), Some(TlsError::NotPem { what: "private key", .. })));

    let other = authority.issue("other");
    let mixed = TlsConfig::new(&good.certificate, &other.key);
    assert!(matches!(Tls::load(&mixed).err(), Some(TlsError::Identity(_))));
}

/// A P-256 key as some tools write it: the number alone, without the point. It guards nothing.
const HALF_A_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCDPShuPR6RTrhPG2q45\n\
    h+9rtZJjvf+CPcYkDi76nJMHxA==\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn a_key_without_its_public_half_is_told_from_a_wrong_one() {
    let authority = Authority::new();
    let good = authority.issue("grid.test");
    let key = PrivateKeyDer::from_pem_file(&good.key).expect("key");
    let half = TlsConfig::new(&good.certificate, authority.path("half.key"));
    std::fs::write(&half.key, HALF_A_KEY).expect("write");
    let half_key = PrivateKeyDer::from_pem_file(&half.key).expect("PEM");
    assert!(has_both_halves(&key) && !has_both_halves(&half_key));
    let error = Tls::load(&half).err().expect("half a key");
    assert!(matches!(&error, TlsError::NoPublicHalf { path, .. } if path.ends_with("half.key")), "{error}");
}
