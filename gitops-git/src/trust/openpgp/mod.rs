//! OpenPGP signatures, see RFC 9580, and the keys that may make them: what `gpg --export` writes.
//!
//! Only what Git needs: detached signatures of version 4, by RSA of 2048 bits and more, EdDSA (Ed25519) and ECDSA (P-256,
//! P-384), with SHA-2. There is no web of trust: a key is trusted because it is in the keyring, and nothing else in it is
//! believed before the key itself vouches for it.

mod packets;
mod proof;

use std::sync::Arc;

use super::{InvalidKeyring, Verdict};

use packets::{Key, Packet, Signature, Unread, hex, packets, unarmoured};

pub(super) const BEGIN: &str = "-----BEGIN PGP SIGNATURE-----";
/// The largest keyring.
const KEYRING: usize = 64 << 20;
/// May sign data, in the flags of a key.
const SIGNS: u8 = 0x02;

/// One person's keys.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    name: Arc<str>,
    keys: Vec<SigningKey>,
}

/// A key, and what its owner says of it.
#[derive(Clone, Debug)]
struct SigningKey {
    key: Key,
    is_revoked: bool,
    /// Whether it may sign, and since and until when; in seconds.
    term: Option<(u32, Option<u32>)>,
}

/// A key, a name or a subkey, and the signatures that follow it.
struct Component<'b> {
    kind: u8,
    body: &'b [u8],
    signatures: Vec<Signature>,
    /// Whether somebody says that it is revoked. Who does is not asked: it may be a revoker that the owner named, or a
    /// signature that cannot be checked here, and what `gpg` exports holds none that is not right.
    is_revoked: bool,
    /// Whether one of its signatures says so of the whole key: it counts wherever it stands.
    ends_all: bool,
}

impl<'b> Component<'b> {
    fn new(Packet { kind, body }: Packet<'b>) -> Self {
        Self { kind, body, signatures: Vec::new(), is_revoked: false, ends_all: false }
    }

    fn add(&mut self, signature: &[u8]) {
        // Of version 3 the kind stands one byte further.
        let kind = if signature.first() == Some(&3) { signature.get(2) } else { signature.get(1) };
        self.is_revoked |= matches!(kind, Some(0x20 | 0x28));
        self.ends_all |= kind == Some(&0x20);
        // One that cannot be read vouches for nothing.
        self.signatures.extend(Signature::read(signature));
    }
}

const PUBLIC_KEY: u8 = 6;
const SUBKEY: u8 = 14;
const NAME: u8 = 13;
const PICTURE: u8 = 17;

/// Reads the keys of a keyring, armoured or not.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Certificate>, InvalidKeyring> {
    if bytes.len() > KEYRING {
        return Err(InvalidKeyring { why: "it is too large" });
    }
    let damaged = InvalidKeyring { why: "it is damaged, or no keyring" };
    let blocks = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN PGP PRIVATE KEY") => {
            return Err(InvalidKeyring { why: "it holds a secret key, which does not belong here" });
        }
        Ok(text) if text.contains("-----BEGIN ") => unarmoured(text, "PUBLIC KEY BLOCK").ok_or(damaged.clone())?,
        _ => vec![bytes.to_vec()],
    };
    let mut certificates = Vec::new();
    for block in &blocks {
        let mut components: Vec<Component<'_>> = Vec::new();
        for packet in packets(block).ok_or(damaged.clone())? {
            match (packet.kind, components.last_mut()) {
                (5 | 7, _) => return Err(InvalidKeyring { why: "it holds a secret key, which does not belong here" }),
                (PUBLIC_KEY, _) => {
                    certificates.extend(certificate(&std::mem::take(&mut components))?);
                    components.push(Component::new(packet));
                }
                (SUBKEY | NAME | PICTURE, Some(_)) => components.push(Component::new(packet)),
                (2, Some(component)) => component.add(packet.body),
                // What GnuPG notes for itself, and what stands for nothing.
                (10 | 12 | 21, _) => {}
                _ => return Err(damaged),
            }
        }
        certificates.extend(certificate(&components)?);
    }
    match certificates.is_empty() {
        true => Err(InvalidKeyring { why: "it holds no key" }),
        false => Ok(certificates),
    }
}

fn certificate(components: &[Component<'_>]) -> Result<Option<Certificate>, InvalidKeyring> {
    let Some((first, others)) = components.split_first() else { return Ok(None) };
    let unknown = InvalidKeyring { why: "it holds a key that is damaged, or not of version 4" };
    let primary = Key::read(first.body).ok_or(unknown)?;
    let mut name = None;
    let mut own: Vec<(&Signature, bool)> = first.by(&primary, &[0x1f], &primary.body);
    for component in others.iter().filter(|component| matches!(component.kind, NAME | PICTURE)) {
        let found = component.by(&primary, &[0x10, 0x11, 0x12, 0x13], &component.signed_name(&primary));
        if name.is_none() && component.kind == NAME && found.iter().any(|(_, is_right)| *is_right) {
            name = Some(Arc::from(String::from_utf8_lossy(component.body)));
        }
        own.extend(found);
    }
    let latest = latest(own);
    let may_sign = |signature: &&Signature| signature.flags.is_none_or(|flags| flags & SIGNS != 0);
    let term = latest.filter(may_sign).map(|signature| term(&primary, signature));
    // A subkey lives no longer than what it hangs on.
    let end = latest.and_then(|signature| self::term(&primary, signature).1);
    let is_over = first.is_revoked || components.iter().any(|component| component.ends_all);
    let mut keys = vec![SigningKey { key: primary.clone(), is_revoked: is_over, term }];
    for component in others.iter().filter(|component| component.kind == SUBKEY) {
        // One of a kind that is not known cannot have signed.
        let Some(key) = Key::read(component.body) else { continue };
        let both = [&*primary.body, &key.body].concat();
        let agrees = |binding: &&Signature| {
            binding.flags.is_some_and(|flags| flags & SIGNS != 0) && binding.has_back(&key, &both)
        };
        let binding = self::latest(component.by(&primary, &[0x18], &both)).filter(agrees);
        let term = binding.filter(|_| latest.is_some()).map(|binding| {
            let (start, own_end) = self::term(&key, binding);
            (start, own_end.into_iter().chain(end).min())
        });
        keys.push(SigningKey { key, is_revoked: is_over || component.is_revoked, term });
    }
    let name = name.unwrap_or_else(|| primary.name());
    Ok(Some(Certificate { name, keys }))
}

/// The last word of the owner; none if that cannot be checked, since it may take back what was said before.
fn latest(said: Vec<(&Signature, bool)>) -> Option<&Signature> {
    let last = said.into_iter().max_by_key(|(signature, is_right)| (signature.created, !is_right))?;
    Some(last).filter(|(_, is_right)| *is_right).map(|(signature, _)| signature)
}

/// Since and until when a key may sign.
fn term(key: &Key, signature: &Signature) -> (u32, Option<u32>) {
    (key.created, signature.key_expires.map(|seconds| key.created.saturating_add(seconds)))
}

impl Component<'_> {
    /// Those of its signatures that are of these kinds and by `key`, or say so and cannot be checked; and whether they were.
    fn by(&self, key: &Key, kinds: &[u8], data: &[u8]) -> Vec<(&Signature, bool)> {
        let of_kind = self.signatures.iter().filter(|signature| kinds.contains(&signature.kind));
        let judged = of_kind.filter_map(|signature| match signature.is_by(key, data) {
            Some(true) => Some((signature, signature.expires.is_none())),
            Some(false) => None,
            None => signature.issuers.iter().any(|issuer| key.is(issuer)).then_some((signature, false)),
        });
        judged.collect()
    }

    fn signed_name(&self, primary: &Key) -> Vec<u8> {
        let mark = if self.kind == NAME { 0xb4 } else { 0xd1 };
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX).to_be_bytes();
        [&*primary.body, &[mark], &length, self.body].concat()
    }
}

impl Signature {
    /// Whether a subkey agrees to hang on its primary key: else anybody could take it for theirs.
    fn has_back(&self, key: &Key, both: &[u8]) -> bool {
        let back = self.back.as_ref().and_then(|back| Self::read(back).ok());
        back.is_some_and(|back| back.kind == 0x19 && back.is_by(key, both) == Some(true))
    }
}

/// Judges a signature by the keys of a keyring.
///
/// What counts is when it was made, as for `gpg`'s `GOODSIG`, and not when it is looked at: the same commit is always judged
/// the same. A key that was revoked counts for nothing, whenever it signed.
pub(super) fn judge(signed: &[u8], armoured: &str, keyring: &[Certificate]) -> Verdict {
    let unsupported = |kind: &str| Verdict::Unsupported { kind: kind.into() };
    let blocks = unarmoured(armoured, "SIGNATURE").unwrap_or_default();
    let [block] = &*blocks else { return Verdict::Wrong };
    // Of two it would not be clear which one is meant.
    let packets = packets(block);
    let Some([Packet { kind: 2, body }]) = packets.as_deref() else { return Verdict::Wrong };
    let signature = match Signature::read(body) {
        Ok(signature) => signature,
        Err(Unread::Version(version)) => return unsupported(&format!("an OpenPGP signature of version {version}")),
        Err(Unread::Damaged) => return Verdict::Wrong,
    };
    if signature.kind != 0 {
        return unsupported("an OpenPGP signature of text, or of something else than bytes");
    }
    let keys = keyring.iter().flat_map(|certificate| certificate.keys.iter().map(move |key| (certificate, key)));
    let issued = |key: &Key| signature.issuers.iter().any(|issuer| key.is(issuer));
    let mut verdict = None;
    for (certificate, found) in keys.filter(|(_, found)| issued(&found.key)) {
        let (signer, key) = (Arc::clone(&certificate.name), found.key.name());
        let this = match (signature.is_by(&found.key, signed), found.term, signature.created) {
            (None, ..) => unsupported("an OpenPGP signature of a kind"),
            (Some(false), ..) => Verdict::Wrong,
            (Some(true), ..) if found.is_revoked => Verdict::Revoked { key },
            (Some(true), Some((start, end)), Some(made)) => {
                // Whether one that expires has done so depends on who asks when.
                let is_current = made >= start && end.is_none_or(|end| made < end) && signature.expires.is_none();
                match is_current {
                    true => Verdict::Good { signer, key },
                    false => Verdict::Expired { signer, key },
                }
            }
            (Some(true), _, None) => Verdict::Wrong,
            (Some(true), None, _) => unsupported(&format!("OpenPGP key `{key}`, which may not sign,")),
        };
        match this {
            // A key that is there twice counts by its worst.
            Verdict::Good { .. } if verdict.is_some() => {}
            this => verdict = Some(this),
        }
    }
    let issuer = signature.issuers.first().map_or_else(|| "not told".into(), |issuer| hex(issuer));
    verdict.unwrap_or(Verdict::UnknownKey { key: issuer })
}
