//! TLS to other hosts: rustls, with the certificates that the machine trusts.
//!
//! The machine's and not a list that is compiled in: who runs the host decides whom it trusts, can add an authority of their
//! own, and takes one out without a new version of this program.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasmtime_wasi_http::Error as HttpError;

use super::Network;
use crate::error::{Error, Result};
use crate::manifest::HostName;

/// The certificates that are trusted. Those of the machine are read when first needed.
#[derive(Debug, Default)]
pub(super) struct Roots {
    more: Vec<CertificateDer<'static>>,
    all: OnceCell<Arc<RootCertStore>>,
}

impl Roots {
    /// With certificates that are trusted beside the machine's, in DER.
    ///
    /// # Errors
    ///
    /// `bad-request` for bytes that are no certificate.
    pub(super) fn new(more: Vec<Vec<u8>>) -> Result<Self> {
        let more: Vec<_> = more.into_iter().map(CertificateDer::from).collect();
        let mut store = RootCertStore::empty();
        for (number, certificate) in more.iter().enumerate() {
            store.add(certificate.clone()).map_err(|error| {
                Error::bad_request(format!("`outbound_root` number {}, a certificate to trust: {error}", number + 1))
            })?;
        }
        Ok(Self { more, all: OnceCell::new() })
    }

    async fn all(&self) -> Arc<RootCertStore> {
        let all = self.all.get_or_init(async || {
            let machine = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await.unwrap_or_default();
            let mut store = RootCertStore::empty();
            let (known, unknown) = store.add_parsable_certificates(machine.certs);
            store.add_parsable_certificates(self.more.iter().cloned());
            for error in machine.errors {
                tracing::debug!(%error, "certificates could not be read");
            }
            tracing::debug!(known, unknown, "certificates of the machine");
            if store.is_empty() {
                tracing::warn!("this machine trusts no certificates: guests can use `https` nowhere");
            }
            Arc::new(store)
        });
        all.await.clone()
    }
}

/// The TLS of one class. Sessions are resumed within it and not beyond, so that no server can tell two classes to be of one
/// host.
#[derive(Default)]
pub(super) struct Connector(OnceCell<TlsConnector>);

impl Connector {
    /// Speaks TLS over a connection, to whoever proves to be `host`.
    ///
    /// # Errors
    ///
    /// `TLS-certificate-error`, `TLS-alert-received` and `TLS-protocol-error`.
    pub(super) async fn connect(
        &self,
        network: &Network,
        host: &HostName,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, HttpError> {
        let connector = self.0.get_or_init(async || {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("ring has suites for each version of TLS")
                .with_root_certificates(network.roots.all().await)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsConnector::from(Arc::new(config))
        });
        let name = match host {
            HostName::Address(address) => ServerName::from(*address),
            HostName::Name(name) => ServerName::try_from(name.clone()).map_err(|_| HttpError::HttpRequestUriInvalid)?,
        };
        connector.await.connect(name, stream).await.map_err(|error| {
            tracing::debug!(%host, %error, "TLS failed");
            explain(&error)
        })
    }
}

fn explain(error: &io::Error) -> HttpError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            HttpError::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            HttpError::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        Some(_) => HttpError::TlsProtocolError,
        None => HttpError::ConnectionTerminated,
    }
}
