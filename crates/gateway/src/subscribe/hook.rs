//! A signed request to a subscriber's address. What a name leads to is looked at
//! when it is resolved: it may have led elsewhere when it was asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use ipnet::IpNet;
use surgewall_core::clock::Clock;
use surgewall_store::subscribers::Subscriber;
use tokio::time::timeout;
use tower::Service;

use super::reach;
use crate::notify::{self, ATTEMPT_TIMEOUT, Message};

/// Sends requests where strangers may have them sent.
#[derive(Clone)]
pub(super) struct Caller {
    client: Client<HttpsConnector<HttpConnector<Guarded>>, Full<Bytes>>,
    listed: Arc<[IpNet]>,
}

/// Finds the addresses of a name, and gives those that may be told.
#[derive(Clone)]
struct Guarded {
    resolver: GaiResolver,
    listed: Arc<[IpNet]>,
}

impl Service<Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.resolver.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, listed) = (self.resolver.call(name), self.listed.clone());
        Box::pin(async move {
            let allowed = found.await?.filter(|found| reach::is_allowed(found.ip(), &listed));
            let allowed: Vec<_> = allowed.collect();
            if allowed.is_empty() {
                let why = "it leads to no address of the public internet";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            Ok(allowed.into_iter())
        })
    }
}

impl Caller {
    /// One that also reaches the `listed` networks.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn new(listed: &[IpNet]) -> Result<Self, rustls::Error> {
        let listed: Arc<[IpNet]> = listed.into();
        let guarded = Guarded { resolver: GaiResolver::new(), listed: listed.clone() };
        let https = notify::connector(HttpConnector::new_with_resolver(guarded))?;
        // Every request is to somebody else: no connection is kept.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https);
        Ok(Self { client, listed })
    }

    /// One attempt; whether it was taken. A redirect is a failure.
    pub(super) async fn tell(
        &self,
        subscriber: &Subscriber,
        message: &Message,
        clock: &Clock,
    ) -> bool {
        // The operator's list may have changed since it was asked for.
        if !reach::may_be_told(&subscriber.address, &self.listed) {
            return false;
        }
        let Ok(uri) = subscriber.address.parse::<Uri>() else { return false };
        let request = message.request(uri, &subscriber.secret, clock.now());
        let answer = timeout(ATTEMPT_TIMEOUT, self.client.request(request)).await;
        matches!(answer, Ok(Ok(answer)) if answer.status().is_success())
    }
}
