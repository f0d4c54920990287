//! One conversation with a remote: what it has, and what is wanted of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gitops_core::source::{SourceError, SourceFailure};
use gix::ObjectId;
use gix::bstr::BString;
use gix::progress::Discard;
use gix::protocol::fetch::{Arguments, Context, Negotiate, Options, Response, Shallow, Tags, negotiate};
use gix::protocol::transport::client::blocking_io::{Transport, TransportV2Ext};
use gix::protocol::transport::{Protocol, Service};
use gix::protocol::{Command, Handshake};

use super::listing::{Incoming, Listing};
use super::pipe::Program;
use super::progress::Bounded;
use super::received::{Received, receive};
use super::{RemoteOptions, RemoteUrl, bundle_file};
use crate::GitSource;
use crate::error::{shown, too_large, unsupported};

pub(super) const AGENT: (&str, &str) = ("agent", concat!("gitops-git/", env!("CARGO_PKG_VERSION")));

/// How much history is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The commit alone, or what the repository had before.
    Commit,
    /// So many commits.
    Commits(u32),
    /// Everything since what is here.
    AsIs,
    /// Everything.
    All,
}

/// An open conversation.
pub(super) enum Session {
    Wire(Box<Wire>),
    Bundle(bundle_file::BundleFile),
}

pub(super) struct Wire {
    pub(super) url: RemoteUrl,
    pub(super) transport: Box<dyn Transport + Send>,
    pub(super) handshake: Handshake,
    program: Option<Program>,
    #[cfg(feature = "http")]
    client: Option<super::http::Client>,
}

impl Session {
    /// Returns the kind of ids that the remote uses.
    pub(super) fn hash(&self) -> Result<gix::hash::Kind, SourceError> {
        match self {
            Self::Bundle(file) => Ok(file.hash()),
            Self::Wire(wire) => {
                let format = wire.handshake.capabilities.capability("object-format");
                let format = format.and_then(|format| format.value().map(ToString::to_string));
                match format.as_deref().unwrap_or("sha1") {
                    "sha1" => Ok(gix::hash::Kind::Sha1),
                    "sha256" => Ok(gix::hash::Kind::Sha256),
                    other => Err(unsupported(format!("the object format `{}` of `{}`", shown(other), wire.url))),
                }
            }
        }
    }

    /// Returns whether any commit can be asked for, not only branches and tags. Version 2 of the protocol has it so.
    pub(super) fn gives_any_commit(&self) -> bool {
        matches!(self, Self::Wire(wire) if wire.handshake.refs.is_none())
    }

    /// Returns whether less than the whole history can be asked for.
    pub(super) fn gives_part_of_history(&self) -> bool {
        let Self::Wire(wire) = self else { return false };
        let capabilities = &wire.handshake.capabilities;
        let of_fetch = || capabilities.capability("fetch").and_then(|fetch| fetch.supports("shallow"));
        match wire.handshake.refs {
            Some(_) => capabilities.contains("shallow"),
            None => of_fetch().unwrap_or(false),
        }
    }

    /// Lists branches and tags whose names start with one of `prefixes`. Old servers list all. A list that is the same as
    /// the one that is `known` is not made anew.
    pub(super) fn list(
        &mut self,
        prefixes: &BTreeSet<String>,
        known: Option<&Arc<Listing>>,
    ) -> Result<Arc<Listing>, SourceError> {
        match self {
            Self::Bundle(file) => Ok(Arc::new(Listing::new(file.refs()))),
            Self::Wire(wire) => match wire.handshake.refs.clone() {
                Some(refs) => Ok(Arc::new(Listing::new(refs))),
                None => wire.list(prefixes, known),
            },
        }
    }

    /// Fetches `wants` and what they need into `into`, which holds `haves`.
    pub(super) fn fetch(
        self,
        into: &GitSource,
        wants: &[ObjectId],
        haves: Vec<ObjectId>,
        depth: Depth,
        options: &RemoteOptions,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Received, SourceError> {
        match self {
            Self::Bundle(file) => file.unpack(into, options, cancelled),
            Self::Wire(wire) => wire.fetch(into, wants, haves, depth, options, cancelled),
        }
    }
}

impl Wire {
    pub(super) fn open(
        url: &RemoteUrl,
        service: Service,
        mut transport: Box<dyn Transport + Send>,
        program: Option<Program>,
        #[cfg(feature = "http")] client: Option<super::http::Client>,
    ) -> Result<Self, SourceError> {
        let handshake = gix::protocol::handshake(&mut transport, service, |_| Ok(None), Vec::new(), &mut Discard);
        match handshake {
            Ok(handshake) => Ok(Self {
                url: url.clone(),
                transport,
                handshake,
                program,
                #[cfg(feature = "http")]
                client,
            }),
            Err(error) => {
                drop(transport);
                let failed = Failed {
                    url,
                    program,
                    #[cfg(feature = "http")]
                    client: client.as_ref(),
                    error,
                };
                Err(failed.meaning())
            }
        }
    }

    fn list(&mut self, prefixes: &BTreeSet<String>, known: Option<&Arc<Listing>>) -> Result<Arc<Listing>, SourceError> {
        let mut incoming = Incoming::new(known);
        let mut refused = None;
        let heard = self.hear(prefixes, |line| incoming.push(line).map_err(|error| refused = Some(error)).is_ok());
        match (heard, refused) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(self.failed(error).meaning()),
            (Ok(()), None) => incoming.finish().ok_or_else(|| {
                let what = format!("`{}` (the list of branches and tags that it sends is damaged)", self.url);
                SourceFailure::Unavailable { what: what.into() }.into()
            }),
        }
    }

    /// Asks for branches and tags, and passes on each line that comes, until one is not taken.
    fn hear(&mut self, prefixes: &BTreeSet<String>, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), gix::Error> {
        let capabilities = &self.handshake.capabilities;
        let mut features = Command::LsRefs.default_features(Protocol::V2, capabilities);
        features.push(agent());
        let mut arguments = Command::LsRefs.initial_v2_arguments(&features);
        let of_list = capabilities.capability("ls-refs");
        if of_list.and_then(|list| list.supports("unborn")).unwrap_or_default() {
            arguments.push("unborn".into());
        }
        arguments.extend(prefixes.iter().map(|prefix| BString::from(format!("ref-prefix {prefix}"))));
        let command = Command::LsRefs.as_str();
        let mut lines = self.transport.invoke(command, features.into_iter(), Some(arguments.into_iter()), false)?;
        while let Some(line) = lines.readline() {
            let line = line.map_err(gix::Error::from_error)??;
            let Some(line) = line.as_bstr() else { break };
            if !take(line) {
                break;
            }
        }
        Ok(())
    }

    fn fetch(
        mut self,
        into: &GitSource,
        wants: &[ObjectId],
        haves: Vec<ObjectId>,
        depth: Depth,
        options: &RemoteOptions,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Received, SourceError> {
        let repository = into.local();
        let shallow = match depth {
            Depth::AsIs => Shallow::NoChange,
            Depth::All => Shallow::undo(),
            Depth::Commit => Shallow::DepthAtRemote(std::num::NonZeroU32::MIN),
            Depth::Commits(number) => {
                std::num::NonZeroU32::new(number).map_or(Shallow::NoChange, Shallow::DepthAtRemote)
            }
        };
        let shallow_file = repository
            .shallow_file()
            .map_err(|error| crate::error::damaged("the configuration of what was fetched".into(), error))?;
        let (passed, url, mut received) = (AtomicBool::new(false), self.url.clone(), Received::default());
        let done = gix::protocol::fetch(
            &mut Request { wants, haves },
            |reader, _, stop| {
                let mut reader = Bounded::new(reader, options.pack_bytes, &passed, &url, &options.progress);
                received = receive(&mut reader, into, stop)?;
                Ok(true)
            },
            Discard,
            cancelled,
            Context {
                handshake: &mut self.handshake,
                transport: &mut self.transport,
                user_agent: agent(),
                trace_packetlines: false,
            },
            Options { shallow_file, shallow: &shallow, tags: Tags::None, reject_shallow_remote: false },
        );
        match done {
            Ok(_) => Ok(received),
            Err(_) if passed.load(Ordering::Relaxed) => {
                let what = "there is more than the limit of";
                Err(too_large(format!("`{}` sends too much: {what} {} bytes", self.url, options.pack_bytes)))
            }
            Err(error) => Err(self.failed(error).meaning()),
        }
    }

    pub(super) fn failed(&mut self, error: gix::Error) -> Failed<'_> {
        Failed {
            url: &self.url,
            program: self.program.take(),
            #[cfg(feature = "http")]
            client: self.client.as_ref(),
            error,
        }
    }
}

/// Everything that is wanted and here, said at once: one request brings the pack.
struct Request<'w> {
    wants: &'w [ObjectId],
    haves: Vec<ObjectId>,
}

impl Negotiate for Request<'_> {
    fn mark_complete_and_common_ref(&mut self) -> Result<negotiate::Action, gix::Error> {
        Ok(negotiate::Action::MustNegotiate { remote_ref_target_known: Vec::new() })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _: &[bool]) -> bool {
        self.wants.iter().for_each(|id| arguments.want(id));
        !self.wants.is_empty()
    }

    fn one_round(
        &mut self,
        _: &mut negotiate::one_round::State,
        arguments: &mut Arguments,
        _: Option<&Response>,
    ) -> Result<(negotiate::Round, bool), gix::Error> {
        self.haves.iter().for_each(|id| arguments.have(id));
        let sent = self.haves.len();
        let round = negotiate::Round {
            haves_sent: sent,
            in_vain: 0,
            haves_to_send: sent,
            previous_response_had_at_least_one_in_common: false,
        };
        Ok((round, true))
    }
}

/// A conversation that ended badly.
pub(super) struct Failed<'w> {
    url: &'w RemoteUrl,
    program: Option<Program>,
    #[cfg(feature = "http")]
    client: Option<&'w super::http::Client>,
    error: gix::Error,
}

impl Failed<'_> {
    /// States what it means: what the client or the program say is better than what the protocol sees of it.
    pub(super) fn meaning(self) -> SourceError {
        let url = self.url;
        #[cfg(feature = "http")]
        if let Some(error) = self.client.and_then(super::http::Client::take_failure) {
            return error;
        }
        if let Some(error) = self.program.and_then(|program| program.failure(url)) {
            return error.caused_by(self.error);
        }
        let text = format!("{:?}", self.error).to_lowercase();
        let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        let failure = if says(&["not our ref", "couldn't find remote ref"]) {
            SourceFailure::UnknownRevision { target: "this commit".into(), similar: Vec::new() }
        } else if says(&["access denied or repository not exported", "not appear to be a git", "repository not found"])
        {
            SourceFailure::NoRepository { location: url.to_string().into() }
        } else if says(&["dumb", "smart", "unsupported"]) {
            SourceFailure::Unsupported { what: format!("what `{url}` answers, which is not Git's protocol,").into() }
        } else if says(&["corrupt", "checksum", "hash mismatch", "decode", "invalid", "delta"]) {
            // Damaged on the way or at the server: the next try may go well, and nothing of it was kept.
            SourceFailure::Unavailable { what: format!("`{url}` (what it sends is damaged)").into() }
        } else {
            SourceFailure::Unavailable { what: format!("`{url}` (the connection broke off)").into() }
        };
        SourceError::from(failure).caused_by(self.error)
    }
}

fn agent() -> (&'static str, Option<String>) {
    (AGENT.0, Some(AGENT.1.to_owned()))
}
