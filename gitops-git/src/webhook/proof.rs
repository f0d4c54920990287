//! Whether a request is from whom it says, in time that does not tell how much of a guess was right.

use std::collections::BTreeMap;
use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::remote::Secret;

use super::Host;

const BLOCK: usize = 64;
const LENGTH: usize = 32;

pub(super) fn is_given(host: Host, headers: &BTreeMap<String, &str>, body: &[u8], secrets: &[Secret]) -> bool {
    let header = |name: &str| headers.get(name).copied();
    let signed = |sign: Option<&str>| {
        let Some(sign) = sign.and_then(digest_from_hex) else { return false };
        any(secrets, |secret| is_equal(&hmac(secret.reveal().as_bytes(), body), &sign))
    };
    match host {
        Host::GitHub => signed(header("x-hub-signature-256").and_then(|sign| sign.strip_prefix("sha256="))),
        Host::Bitbucket => signed(header("x-hub-signature").and_then(|sign| sign.strip_prefix("sha256="))),
        Host::Gitea => {
            let names = ["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature"];
            signed(names.iter().find_map(|name| header(name)))
        }
        Host::GitLab => {
            header("x-gitlab-token").is_some_and(|token| any(secrets, |secret| is_same(secret.reveal(), token)))
        }
        Host::AzureDevOps => {
            let given = header("authorization").and_then(|value| value.strip_prefix("Basic ")).unwrap_or_default();
            any(secrets, |secret| is_same(&STANDARD.encode(secret.reveal()), given.trim()))
        }
    }
}

/// Tries all, also after one fits.
fn any(secrets: &[Secret], fits: impl Fn(&Secret) -> bool) -> bool {
    secrets.iter().fold(false, |found, secret| fits(secret) | found)
}

/// Compares digests, so that neither length nor content shows in the time it takes.
fn is_same(left: &str, right: &str) -> bool {
    is_equal(&Sha256::digest(left.as_bytes()).into(), &Sha256::digest(right.as_bytes()).into())
}

fn is_equal(left: &[u8; LENGTH], right: &[u8; LENGTH]) -> bool {
    let differences = left.iter().zip(right).fold(0, |all, (left, right)| black_box(all | (left ^ right)));
    black_box(differences) == 0
}

/// Authenticates `message`, RFC 2104 with SHA-256.
pub(super) fn hmac(key: &[u8], message: &[u8]) -> [u8; LENGTH] {
    let mut block = [0; BLOCK];
    let short: Vec<u8> = if key.len() > BLOCK { Sha256::digest(key).to_vec() } else { key.to_vec() };
    for (place, byte) in block.iter_mut().zip(short) {
        *place = byte;
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

fn digest_from_hex(text: &str) -> Option<[u8; LENGTH]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_authenticated_as_rfc_4231_says() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        for (key, message, expected) in [
            (
                &b"Jefe"[..],
                &b"what do ya want for nothing?"[..],
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(hmac(key, message)), expected);
        }
    }
}
