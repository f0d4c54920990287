//! Addresses that people write, and those that somebody wrote to do harm.

use super::*;

#[test]
fn addresses_are_read_as_git_reads_them_and_shown_without_secrets() {
    for (text, scheme, host, port, path, display) in [
        (
            "https://example.org/shop.git",
            Scheme::Https,
            "example.org",
            None,
            "/shop.git",
            "https://example.org/shop.git",
        ),
        (
            "https://ann:s3cret@Example.org:8443/a/b/",
            Scheme::Https,
            "example.org",
            Some(8443),
            "/a/b",
            "https://example.org:8443/a/b",
        ),
        ("https://s3cret@example.org/a", Scheme::Https, "example.org", None, "/a", "https://example.org/a"),
        ("http://[::1]:80/a", Scheme::Http, "[::1]", Some(80), "/a", "http://[::1]:80/a"),
        ("ssh://git@host:22/~ann/a%20b", Scheme::Ssh, "host", Some(22), "~ann/a b", "ssh://git@host:22/~ann/a b"),
        ("git@host:team/a.git", Scheme::Ssh, "host", None, "team/a.git", "ssh://git@host/team/a.git"),
        ("git://host/a", Scheme::Git, "host", None, "/a", "git://host/a"),
        ("/srv/a.bundle", Scheme::Bundle, "", None, "/srv/a.bundle", "/srv/a.bundle"),
        ("file:///srv/a.bundle", Scheme::Bundle, "", None, "/srv/a.bundle", "/srv/a.bundle"),
    ] {
        let url = RemoteUrl::parse(text).unwrap();
        assert_eq!((url.scheme, &*url.host, url.port, &*url.path), (scheme, host, port, path), "{text}");
        assert_eq!(url.to_string(), display);
        assert!(!format!("{url:?}").contains("s3cret"), "{text}");
    }
}

#[test]
fn the_address_of_a_submodule_is_read_as_git_reads_it_and_stays_on_its_host() {
    let https = "https://u:s3cret@example.org/team/shop.git";
    for (base, text, expected) in [
        (https, "../lib.git", Some("https://example.org/team/lib.git")),
        (https, "../../other/lib", Some("https://example.org/other/lib")),
        (https, "./lib", Some("https://example.org/team/shop.git/lib")),
        (https, ".././../lib/", Some("https://example.org/lib")),
        ("git@host:team/shop.git", "../lib.git", Some("ssh://git@host/team/lib.git")),
        ("git@host:shop.git", "../lib.git", Some("ssh://git@host/lib.git")),
        // Git goes on to `https://lib` and `https:lib`.
        (https, "../../../lib", None),
        (https, "../../../../evil.example/lib", None),
        ("git@host:shop.git", "../../lib.git", None),
        (https, "../a/../../lib", None),
        (https, "../", None),
        (https, "../a b", None),
        ("git@host:shop.git", "../-oProxyCommand=id", None),
        ("/srv/shop.bundle", "../lib.bundle", None),
    ] {
        let url = RemoteUrl::parse(base).unwrap().relative(text);
        assert_eq!(url.map(|url| url.to_string()).as_deref(), expected, "{base} {text}");
    }
}

#[test]
fn what_would_run_a_program_or_names_nothing_is_refused_without_telling_a_secret() {
    for text in [
        "ext::sh -c id",
        "ext::sh",
        "fd::17",
        "ext://x",
        "file://u:s3cret@host/a.bundle",
        "ssh://-oProxyCommand=id/a",
        "-oProxyCommand=id:a",
        "ssh://host/-a\0",
        "host:-a",
        "https://",
        "https://host",
        "https://u:s3cret@host:port/a",
        "https://u:s3cret@host:8:/a",
        "https://u:s3cret@host:8:9/a",
        "rsync://u:s3cret@host/a",
        "s3cret@",
        "https:/u:s3cret@host/a",
        "https:u:s3cret@host/a",
        "https:/u:s3cret@host/a.bundle",
        "ssh:/u:s3cret@host/a",
        "u:s3cret@host:a",
        "u:s3cret@host/a",
        "https://h/x?access_token=s3cret",
        "https://h/x#s3cret",
        "https://u:s3/cret@h/s3cret@x",
        "https://s3cret/x@h/a",
        "file://u:s3cret@x/y",
        "https://u:s3cret@h/a b",
        "folder",
        "",
    ] {
        let error = RemoteUrl::parse(text).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{text}: {error}");
    }
}

#[test]
fn an_address_that_is_refused_says_why_in_a_whole_sentence() {
    for (text, told) in [
        (
            "https://host",
            "there is no Git repository at `https://host`, or it is hidden from who does not sign in; check the address and the credentials",
        ),
        ("u@/x", "`…@/x` is not a Git repository; give the folder that holds it, or a bare repository"),
        ("https://h/a b", "`https://h/a b` has a blank in it (write `%20` if one is meant), which is not supported"),
        ("https:/h/a", "`https:/h/a` has no `://` after `https`, which is not supported"),
        (
            "https://h/a?b",
            "`https://h/a?…` has a `?` or `#` in it (a secret belongs into a credential), which is not supported",
        ),
    ] {
        assert_eq!(RemoteUrl::parse(text).unwrap_err().to_string(), told);
    }
    assert!(RemoteUrl::parse("git:shop.git").is_ok() && RemoteUrl::parse("ssh:shop.git").is_ok());
}
