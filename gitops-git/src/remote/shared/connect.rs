//! Conversations with a remote, by what its address says.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitops_core::source::SourceError;
use gix::protocol::transport::Service;

use super::super::bundle_file::BundleFile;
use super::super::wire::{Session, Wire};
use super::super::{Push, Pushed, Scheme, pipe};
use super::Shared;
use crate::GitSource;
use crate::error::unsupported;

impl Shared {
    /// Begins a conversation.
    pub(super) fn session(&self, cancelled: &Arc<AtomicBool>) -> Result<Session, SourceError> {
        match self.url.scheme() {
            Scheme::Bundle => Ok(Session::Bundle(BundleFile::open(&self.url)?)),
            _ => self.wire(Service::UploadPack, cancelled).map(|wire| Session::Wire(Box::new(wire))),
        }
    }

    /// Pushes. It is tried once: whoever does not hear what became of it has to look.
    pub(in crate::remote) fn push(
        &self,
        from: &GitSource,
        push: &Push,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Pushed, SourceError> {
        super::super::push::push(self.wire(Service::ReceivePack, cancelled)?, from, push)
    }

    fn wire(&self, service: Service, cancelled: &Arc<AtomicBool>) -> Result<Wire, SourceError> {
        let pipe = match self.url.scheme() {
            Scheme::Bundle => return Err(unsupported(format!("pushing to the bundle `{}`", self.url))),
            Scheme::Https | Scheme::Http => return self.http(service, cancelled),
            Scheme::Ssh => pipe::ssh(&self.url, service, &self.options, cancelled)?,
            Scheme::Git => pipe::tcp(&self.url, &self.options)?,
        };
        Wire::open(
            &self.url,
            service,
            pipe.transport,
            pipe.program,
            #[cfg(feature = "http")]
            None,
        )
    }

    #[cfg(feature = "http")]
    fn http(&self, service: Service, cancelled: &Arc<AtomicBool>) -> Result<Wire, SourceError> {
        use gix_transport::client::blocking_io::http::Transport;

        let mut kept = super::lock(&self.client);
        let new = || super::super::http::Client::new(&self.url, &self.options, &self.credentials);
        let client = match (&*kept, service) {
            // What a server says of itself is another thing for whoever pushes.
            (_, Service::ReceivePack) => new()?,
            (Some(client), _) => client.clone(),
            (None, _) => kept.insert(new()?).clone(),
        };
        drop(kept);
        client.begin(cancelled);
        let address = self.url.anonymous().to_string();
        let url = gix::url::parse(gix::bstr::BStr::new(&address))
            .map_err(|_| unsupported(format!("the address `{address}`")))?;
        let transport = Transport::new_http(client.clone(), url, gix_transport::Protocol::V2, false);
        Wire::open(&self.url, service, Box::new(transport), None, Some(client))
    }

    #[cfg(not(feature = "http"))]
    fn http(&self, _: Service, _: &Arc<AtomicBool>) -> Result<Wire, SourceError> {
        let _credentials = &self.credentials;
        Err(unsupported(format!("`{}` needs the feature `http` of `gitops-git`, which is off; that", self.url)))
    }
}
