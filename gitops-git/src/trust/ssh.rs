//! SSH signatures, see PROTOCOL.sshsig of OpenSSH, and the lists of who may sign, see ssh-keygen(1).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use sha2::{Digest, Sha256, Sha512};

const MAGIC: &[u8] = b"SSHSIG";
/// What Git signs for.
const NAMESPACE: &[u8] = b"git";
pub(super) const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// The user was there, the first bit of the flags of a security key.
const USER_PRESENT: u8 = 1;

/// A public key, as its bytes go over the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<u8>);

/// A signature that can be read; whether it is right is another question.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) key: Key,
    hash: Hash,
    algorithm: Vec<u8>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha512,
}

impl Key {
    /// Reads a key as it stands in `authorized_keys`: its kind and base 64.
    pub(super) fn parse(kind: &str, text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let known = Reader(&bytes).text()?;
        (known == kind.as_bytes()).then_some(Self(bytes))
    }

    /// Names the key as OpenSSH does.
    pub(super) fn fingerprint(&self) -> Arc<str> {
        let digest = STANDARD.encode(Sha256::digest(&self.0));
        format!("SHA256:{}", digest.trim_end_matches('=')).into()
    }
}

impl Signature {
    /// Reads an armoured signature; `None` if it is damaged, or made for something other than Git.
    pub(super) fn parse(armoured: &str) -> Option<Self> {
        let inner = armoured.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
        let bytes = STANDARD.decode(inner.split_whitespace().collect::<String>()).ok()?;
        let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
        if reader.number()? != 1 {
            return None;
        }
        let key = Key(reader.text()?.to_vec());
        let namespace = reader.text()?;
        let _reserved = reader.text()?;
        let hash = match reader.text()? {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            _ => return None,
        };
        let mut signature = Reader(reader.text()?);
        let algorithm = signature.text()?.to_vec();
        let bytes = signature.text()?.to_vec();
        // A security key says more after the signature proper.
        let bytes = [bytes.as_slice(), signature.0].concat();
        (namespace == NAMESPACE).then_some(Self { key, hash, algorithm, bytes })
    }

    /// Returns whether this key made this signature of this message; `None` if the kind of key is not understood.
    pub(super) fn is_of(&self, message: &[u8]) -> Option<bool> {
        let (name, digest) = match self.hash {
            Hash::Sha256 => (&b"sha256"[..], Sha256::digest(message).to_vec()),
            Hash::Sha512 => (&b"sha512"[..], Sha512::digest(message).to_vec()),
        };
        let mut signed = MAGIC.to_vec();
        for part in [NAMESPACE, b"", name, &digest] {
            put(&mut signed, part);
        }
        let mut key = Reader(&self.key.0);
        let kind = key.text()?;
        match (kind, self.algorithm.as_slice()) {
            (b"ssh-ed25519", b"ssh-ed25519") => {
                Some(UnparsedPublicKey::new(&ED25519, key.text()?).verify(&signed, &self.bytes).is_ok())
            }
            (b"sk-ssh-ed25519@openssh.com", b"sk-ssh-ed25519@openssh.com") => {
                let (public, application) = (key.text()?, key.text()?);
                let (signature, [flags, counter @ ..]) = self.bytes.split_at_checked(64)? else { return Some(false) };
                let said =
                    [&Sha256::digest(application)[..], &[*flags], counter, &Sha256::digest(&signed)[..]].concat();
                let right = counter.len() == 4 && flags & USER_PRESENT != 0;
                Some(right && UnparsedPublicKey::new(&ED25519, public).verify(&said, signature).is_ok())
            }
            (b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp256") => {
                let (_curve, point) = (key.text()?, key.text()?);
                Some(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(&signed, &self.pair(32)?).is_ok())
            }
            (b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp384") => {
                let (_curve, point) = (key.text()?, key.text()?);
                Some(UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(&signed, &self.pair(48)?).is_ok())
            }
            // SHA-1, which `ssh-rsa` alone stands for, proves nothing any more.
            (b"ssh-rsa", algorithm @ (b"rsa-sha2-256" | b"rsa-sha2-512")) => {
                let (e, n) = (trimmed(key.text()?), trimmed(key.text()?));
                let scheme = match algorithm {
                    b"rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA512,
                };
                Some(RsaPublicKeyComponents { n, e }.verify(scheme, &signed, &self.bytes).is_ok())
            }
            _ => None,
        }
    }

    /// Returns the two numbers of an ECDSA signature in `size` bytes each.
    fn pair(&self, size: usize) -> Option<Vec<u8>> {
        let mut reader = Reader(&self.bytes);
        let mut pair = Vec::with_capacity(2 * size);
        for _ in 0..2 {
            let number = trimmed(reader.text()?);
            pair.resize(pair.len() + size.checked_sub(number.len())?, 0);
            pair.extend_from_slice(number);
        }
        Some(pair)
    }
}

/// A number without the zero that marks it as positive.
fn trimmed(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] => trimmed_once(rest),
        _ => number,
    }
}

fn trimmed_once(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(part);
}

/// Reads the types of RFC 4251.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn text(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}
