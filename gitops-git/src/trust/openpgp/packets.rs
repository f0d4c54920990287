//! The format of RFC 9580, as far as keys and signatures need it: armour, packets, numbers.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Ed25519 as a curve of the older kind of EdDSA keys.
const ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// Of how many issuers a signature is read: it needs one, and names it twice.
const ISSUERS: usize = 8;

/// One packet: its kind and its content.
pub(super) struct Packet<'b> {
    pub(super) kind: u8,
    pub(super) body: &'b [u8],
}

/// A public key of version 4.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The packet as it is hashed.
    pub(super) body: Vec<u8>,
    pub(super) created: u32,
    pub(super) material: Material,
    pub(super) fingerprint: Vec<u8>,
}

/// What a key is made of.
#[derive(Clone, Debug)]
pub(super) enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ed25519(Vec<u8>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    /// Nothing that can be checked here.
    Other,
}

/// A signature of version 4.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) kind: u8,
    pub(super) algorithm: u8,
    pub(super) hash: u8,
    /// What of it is signed as well.
    pub(super) hashed: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) created: Option<u32>,
    /// Seconds after `created`.
    pub(super) expires: Option<u32>,
    /// Seconds after the key was created.
    pub(super) key_expires: Option<u32>,
    pub(super) flags: Option<u8>,
    /// The fingerprint or the id of the key, whichever is told; a hint and no proof.
    pub(super) issuers: Vec<Vec<u8>>,
    /// A signature of the subkey, by which it agrees.
    pub(super) back: Option<Vec<u8>>,
    /// Whether something in it must be understood and is not.
    pub(super) is_beyond_us: bool,
}

/// Why a signature cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Damaged,
    /// It is of this version.
    Version(u8),
}

/// Takes the armour off each block of a text whose headline is `what`; `None` if one of them is damaged.
pub(super) fn unarmoured(text: &str, what: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN PGP {what}-----"), format!("-----END PGP {what}-----"));
    let (mut blocks, mut rest) = (Vec::new(), text);
    while let Some((_, after)) = rest.split_once(&begin) {
        let (block, after) = after.split_once(&end)?;
        // Headers such as `Version: …` end with an empty line; where there is none, neither are headers.
        let mut lines = block.lines().map(str::trim).skip(1).peekable();
        while lines.next_if(|line| line.contains(": ")).is_some() {}
        // The checksum proves nothing, and RFC 9580 says to pass over it.
        let data: String = lines.take_while(|line| !line.starts_with('=')).collect();
        blocks.push(STANDARD.decode(data).ok()?);
        rest = after;
    }
    Some(blocks)
}

/// Splits bytes into packets; `None` if they are damaged or their length is told piece by piece, as for no key or signature.
pub(super) fn packets(mut bytes: &[u8]) -> Option<Vec<Packet<'_>>> {
    let mut packets = Vec::new();
    while let Some((head, rest)) = bytes.split_first() {
        if head & 0x80 == 0 {
            return None;
        }
        let (kind, (length, rest)) = match head & 0x40 {
            0 => (head >> 2 & 0x0f, old_length(head & 0x03, rest)?),
            _ => (head & 0x3f, length(rest)?),
        };
        let (body, rest) = rest.split_at_checked(length)?;
        packets.push(Packet { kind, body });
        bytes = rest;
    }
    Some(packets)
}

fn old_length(kind: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    let count = match kind {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return None,
    };
    let (length, rest) = bytes.split_at_checked(count)?;
    Some((number(length)?, rest))
}

/// The length of a packet or of a part of a signature.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0..192 => Some((usize::from(*first), rest)),
        192..224 => {
            let (second, rest) = rest.split_first()?;
            Some(((usize::from(*first) - 192) * 256 + usize::from(*second) + 192, rest))
        }
        255 => {
            let (length, rest) = rest.split_at_checked(4)?;
            Some((number(length)?, rest))
        }
        _ => None,
    }
}

fn number(bytes: &[u8]) -> Option<usize> {
    bytes.iter().try_fold(0_usize, |number, byte| number.checked_mul(256)?.checked_add(usize::from(*byte)))
}

fn seconds(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Reads a number of any length off the front.
pub(super) fn mpi(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (bits, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*bits)).div_ceil(8))
}

impl Key {
    /// `None` if it is damaged, or of another version.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let rest = body.strip_prefix(&[4])?;
        let (created, rest) = rest.split_first_chunk::<4>()?;
        let (algorithm, rest) = rest.split_first()?;
        let length = u16::try_from(body.len()).ok()?.to_be_bytes();
        let hashed = [&[0x99][..], &length, body].concat();
        let fingerprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &hashed).as_ref().to_vec();
        let material = Material::read(*algorithm, rest)?;
        Some(Self { body: hashed, created: u32::from_be_bytes(*created), material, fingerprint })
    }

    /// The fingerprint as people read it.
    pub(super) fn name(&self) -> Arc<str> {
        hex(&self.fingerprint)
    }

    /// Whether `issuer` is its fingerprint or id.
    pub(super) fn is(&self, issuer: &[u8]) -> bool {
        issuer.len() >= 8 && self.fingerprint.ends_with(issuer)
    }
}

pub(super) fn hex(bytes: &[u8]) -> Arc<str> {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>().into()
}

impl Material {
    fn read(algorithm: u8, bytes: &[u8]) -> Option<Self> {
        let curve = |bytes| -> Option<(&[u8], &[u8])> {
            let (length, rest): (&u8, &[u8]) = <[u8]>::split_first(bytes)?;
            let (curve, rest) = rest.split_at_checked(usize::from(*length))?;
            Some((curve, mpi(rest)?.0))
        };
        Some(match algorithm {
            1 | 3 => {
                let (n, rest) = mpi(bytes)?;
                Self::Rsa { n: n.to_vec(), e: mpi(rest)?.0.to_vec() }
            }
            19 => match curve(bytes)? {
                (P256, point) => Self::P256(point.to_vec()),
                (P384, point) => Self::P384(point.to_vec()),
                _ => Self::Other,
            },
            22 => match curve(bytes)? {
                (ED25519, point) => Self::Ed25519(point.strip_prefix(&[0x40])?.to_vec()),
                _ => Self::Other,
            },
            27 => Self::Ed25519(bytes.get(..32)?.to_vec()),
            _ => Self::Other,
        })
    }
}

impl Signature {
    pub(super) fn read(body: &[u8]) -> Result<Self, Unread> {
        match body.first() {
            Some(4) => Self::read_version_4(body).ok_or(Unread::Damaged),
            Some(version) => Err(Unread::Version(*version)),
            None => Err(Unread::Damaged),
        }
    }

    fn read_version_4(body: &[u8]) -> Option<Self> {
        let ([_, kind, algorithm, hash, length @ ..], _) = body.split_first_chunk::<6>()?;
        let end = 6 + usize::from(u16::from_be_bytes(*length));
        let (hashed, rest) = body.split_at_checked(end)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (unhashed, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        // Two bytes of the digest, to fail early, are passed over.
        let value = rest.get(2..)?.to_vec();
        let mut signature = Self {
            kind: *kind,
            algorithm: *algorithm,
            hash: *hash,
            hashed: hashed.to_vec(),
            value,
            created: None,
            expires: None,
            key_expires: None,
            flags: None,
            issuers: Vec::new(),
            back: None,
            is_beyond_us: false,
        };
        signature.read_parts(hashed.get(6..)?, true)?;
        signature.read_parts(unhashed, false)?;
        Some(signature)
    }

    /// Reads what a signature says beside. What is not signed itself is believed only where it is proved otherwise.
    fn read_parts(&mut self, mut bytes: &[u8], is_signed: bool) -> Option<()> {
        while !bytes.is_empty() {
            let (length, rest) = length(bytes)?;
            let (part, rest) = rest.split_at_checked(length)?;
            let (kind, content) = part.split_first()?;
            match (kind & 0x7f, is_signed) {
                (2, true) => self.created = Some(seconds(content)?),
                (3, true) => self.expires = Some(seconds(content)?).filter(|seconds| *seconds > 0),
                (9, true) => self.key_expires = Some(seconds(content)?).filter(|seconds| *seconds > 0),
                (27, true) => self.flags = Some(content.first().copied().unwrap_or(0)),
                // An id has 8 bytes, a fingerprint of version 4 has 20. Of any others none is a key that is known here.
                (16, _) if content.len() == 8 && self.issuers.len() < ISSUERS => self.issuers.push(content.to_vec()),
                (33, _) if content.len() == 21 && self.issuers.len() < ISSUERS => {
                    self.issuers.insert(0, content.get(1..)?.to_vec());
                }
                (32, _) => self.back = Some(content.to_vec()),
                // Preferences, places of keys, names, reasons: nothing that decides whether a signature counts.
                (4..=7 | 11 | 21..=26 | 28..=31 | 34 | 35, _) => {}
                _ => self.is_beyond_us |= is_signed && kind & 0x80 != 0,
            }
            bytes = rest;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signature of version 4 with these parts, none of them signed.
    fn signature(parts: &[u8]) -> Option<Signature> {
        let length = u16::try_from(parts.len()).unwrap().to_be_bytes();
        let body = [&[4, 0, 22, 8, 0, 0][..], &length, parts, &[0, 0, 1, 2]].concat();
        Signature::read(&body).ok()
    }

    #[test]
    fn no_more_issuers_are_kept_than_a_signature_needs_and_none_of_another_length() {
        let id = [&[9, 16][..], &[7; 8]].concat();
        let fingerprint = [&[22, 33, 4][..], &[5; 20]].concat();
        assert_eq!(signature(&[id.clone(), fingerprint.clone()].concat()).unwrap().issuers, [vec![5; 20], vec![7; 8]]);
        assert_eq!(signature(&id.repeat(1000)).unwrap().issuers.len(), ISSUERS);
        assert_eq!(signature(&fingerprint.repeat(1000)).unwrap().issuers.len(), ISSUERS);
        for odd in [&[1, 16][..], &[8, 16, 7, 7, 7, 7, 7, 7, 7], &[2, 33, 4], &[10, 16, 7, 7, 7, 7, 7, 7, 7, 7, 7]] {
            assert!(signature(odd).unwrap().issuers.is_empty(), "{odd:?}");
        }
        for damaged in [&[0][..], &[9, 16, 7], &[255, 0, 0], &[255, 255, 255, 255, 255, 16]] {
            assert!(signature(damaged).is_none(), "{damaged:?}");
        }
    }
}
