//! What each host sends. Sources: the pages on webhook events in the documentation of each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Event, Host, Push};

/// Repositories and refs that one event names at most.
const MOST: usize = 10_000;

/// Returns who sends, and the event as the header names it. Gitea also sends the headers of GitHub and Gogs.
pub(super) fn identify<'h>(headers: &BTreeMap<String, &'h str>) -> Option<(Host, &'h str)> {
    let named = [
        ("x-forgejo-event", Host::Gitea),
        ("x-gitea-event", Host::Gitea),
        ("x-gogs-event", Host::Gitea),
        ("x-gitlab-event", Host::GitLab),
        ("x-github-event", Host::GitHub),
        ("x-event-key", Host::Bitbucket),
    ];
    let found = named.iter().find_map(|(name, host)| Some((*host, *headers.get(*name)?)));
    // Azure DevOps says nothing of itself; it signs in.
    let azure =
        || headers.get("authorization").filter(|value| value.starts_with("Basic ")).map(|_| (Host::AzureDevOps, ""));
    found.or_else(azure)
}

pub(super) fn read(host: Host, event: &str, headers: &BTreeMap<String, &str>, body: &[u8]) -> Result<Event, String> {
    let is_form = headers.get("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let decoded;
    let body = if is_form {
        decoded = form(body).ok_or("the form has no field `payload`")?;
        &*decoded
    } else {
        body
    };
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        // The text of the error tells where, and not what.
        format!("it is no JSON (line {}, column {})", error.line(), error.column())
    })?;
    let push = match (host, event) {
        (Host::GitHub | Host::Gitea, "ping") | (Host::Bitbucket, "diagnostics:ping") => return Ok(Event::Ping),
        (Host::GitHub | Host::Gitea, "push" | "create" | "delete") => as_github(&value),
        (Host::GitLab, "Push Hook" | "Tag Push Hook") => as_gitlab(&value),
        // One hook for the whole server, which tells of all kinds of things.
        (Host::GitLab, "System Hook") => match text(&value, "/event_name") {
            Some("push" | "tag_push" | "repository_update") => as_gitlab(&value),
            other => return Ok(Event::Other(other.unwrap_or(event).to_owned())),
        },
        (Host::Bitbucket, "repo:push") => as_bitbucket_cloud(&value),
        (Host::Bitbucket, "repo:refs_changed") => as_bitbucket_server(&value),
        (Host::AzureDevOps, _) => match text(&value, "/eventType") {
            Some("git.push") => as_azure(&value),
            other => return Ok(Event::Other(other.unwrap_or("unknown").to_owned())),
        },
        _ => return Ok(Event::Other(event.chars().take(80).collect())),
    };
    match (push.repositories.is_empty(), push.refs.is_empty()) {
        (true, _) => Err("it names no repository".to_owned()),
        // A push of nothing but, for instance, notes of the host's own.
        (false, true) => Ok(Event::Other(event.chars().take(80).collect())),
        (false, false) => Ok(Event::Pushed(push)),
    }
}

fn as_github(value: &Value) -> Push {
    let name = text(value, "/ref").unwrap_or_default();
    // `create` and `delete` give the short name and its kind.
    let full = match text(value, "/ref_type") {
        Some("branch") if !name.starts_with("refs/") => format!("refs/heads/{name}"),
        Some("tag") if !name.starts_with("refs/") => format!("refs/tags/{name}"),
        _ => name.to_owned(),
    };
    Push {
        repositories: texts(
            value,
            &["/repository/clone_url", "/repository/ssh_url", "/repository/git_url", "/repository/html_url"],
        ),
        refs: refs([full]),
        default_branch: text(value, "/repository/default_branch").map(str::to_owned),
    }
}

fn as_gitlab(value: &Value) -> Push {
    let several = list(value, "/refs").filter_map(Value::as_str).map(str::to_owned);
    let places = ["/project/git_http_url", "/project/git_ssh_url", "/project/web_url", "/repository/git_http_url"];
    Push {
        repositories: texts(value, &places),
        refs: refs(text(value, "/ref").map(str::to_owned).into_iter().chain(several)),
        default_branch: text(value, "/project/default_branch").map(str::to_owned),
    }
}

fn as_bitbucket_cloud(value: &Value) -> Push {
    // What is gone has no `new`, and what is new no `old`.
    let names = list(value, "/push/changes").flat_map(|change| {
        ["/new", "/old"].into_iter().filter_map(move |side| {
            let name = text(change, &format!("{side}/name"))?;
            match text(change, &format!("{side}/type"))? {
                "tag" | "annotated_tag" => Some(format!("refs/tags/{name}")),
                _ => Some(format!("refs/heads/{name}")),
            }
        })
    });
    Push {
        repositories: texts(value, &["/repository/links/html/href"]),
        refs: refs(names),
        default_branch: text(value, "/repository/mainbranch/name").map(str::to_owned),
    }
}

fn as_bitbucket_server(value: &Value) -> Push {
    let names = list(value, "/changes").filter_map(|change| text(change, "/ref/id").or_else(|| text(change, "/refId")));
    let clones = list(value, "/repository/links/clone").filter_map(|link| text(link, "/href")).map(str::to_owned);
    Push { repositories: clones.take(MOST).collect(), refs: refs(names.map(str::to_owned)), default_branch: None }
}

fn as_azure(value: &Value) -> Push {
    let names = list(value, "/resource/refUpdates").filter_map(|update| text(update, "/name"));
    let default = text(value, "/resource/repository/defaultBranch");
    Push {
        repositories: texts(
            value,
            &["/resource/repository/remoteUrl", "/resource/repository/sshUrl", "/resource/repository/webUrl"],
        ),
        refs: refs(names.map(str::to_owned)),
        default_branch: default.map(|name| name.trim_start_matches("refs/heads/").to_owned()),
    }
}

fn refs(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    names.into_iter().filter(|name| name.starts_with("refs/")).take(MOST).collect()
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

fn texts(value: &Value, pointers: &[&str]) -> BTreeSet<String> {
    pointers.iter().filter_map(|pointer| text(value, pointer)).map(str::to_owned).collect()
}

fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Reads the field `payload` of a form.
fn form(body: &[u8]) -> Option<Vec<u8>> {
    let field = body.split(|byte| *byte == b'&').find_map(|field| field.strip_prefix(b"payload="))?;
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => digit(rest.next())? << 4 | digit(rest.next())?,
            other => *other,
        });
    }
    Some(decoded)
}

/// Returns host and path of a repository, in a form that is the same for all its addresses.
pub(super) fn place(address: &str) -> Option<(String, String)> {
    let lower = address.trim().to_lowercase();
    let rest = lower.split_once("://").map(|(_, rest)| rest);
    let (authority, path) = match rest {
        Some(rest) => rest.split_once('/')?,
        None => lower.split_once(':')?,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match (rest.is_some(), host.rsplit_once(':')) {
        (true, Some((host, port))) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    // Azure DevOps: `ssh.dev.azure.com:v3/org/project/repo` and `dev.azure.com/org/project/_git/repo`.
    let (host, path) = match (host, path.strip_prefix("v3/")) {
        ("ssh.dev.azure.com" | "vs-ssh.visualstudio.com", Some(path)) => ("dev.azure.com", path.to_owned()),
        // Bitbucket Server puts `scm` in front for HTTP, and nothing for SSH.
        (host, _) => (host, path.replace("/_git/", "/").trim_start_matches("scm/").to_owned()),
    };
    (!host.is_empty() && !path.is_empty()).then(|| (host.to_owned(), path))
}
