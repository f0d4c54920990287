//! Whether a key made a signature.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::packets::{Key, Material, Signature, mpi};

/// SHA-256, SHA-384 and SHA-512. What came before them proves nothing any more.
const HASHES: [u8; 3] = [8, 9, 10];

impl Signature {
    /// Returns whether `key` made this signature of `data`; `None` if its kind cannot be checked.
    pub(super) fn is_by(&self, key: &Key, data: &[u8]) -> Option<bool> {
        if !HASHES.contains(&self.hash) || self.is_beyond_us {
            return None;
        }
        let length = u32::try_from(self.hashed.len()).ok()?.to_be_bytes();
        let signed = [data, &self.hashed, &[4, 0xff], &length].concat();
        match &key.material {
            Material::Rsa { n, e } if matches!(self.algorithm, 1 | 3) => {
                let scheme = match self.hash {
                    8 => &RSA_PKCS1_2048_8192_SHA256,
                    9 => &RSA_PKCS1_2048_8192_SHA384,
                    _ => &RSA_PKCS1_2048_8192_SHA512,
                };
                let Some(value) = mpi(&self.value).and_then(|(value, _)| padded(value, n.len())) else {
                    return Some(false);
                };
                Some(RsaPublicKeyComponents { n, e }.verify(scheme, &signed, &value).is_ok())
            }
            Material::Ed25519(point) if matches!(self.algorithm, 22 | 27) => {
                let Some(value) = self.pair(32) else { return Some(false) };
                let digest = match self.hash {
                    8 => Sha256::digest(&signed).to_vec(),
                    9 => Sha384::digest(&signed).to_vec(),
                    _ => Sha512::digest(&signed).to_vec(),
                };
                Some(UnparsedPublicKey::new(&ED25519, point).verify(&digest, &value).is_ok())
            }
            Material::P256(point) if self.algorithm == 19 => {
                self.is_on_curve(point, &signed, [&ECDSA_P256_SHA256_ASN1, &ECDSA_P256_SHA384_ASN1])
            }
            Material::P384(point) if self.algorithm == 19 => {
                self.is_on_curve(point, &signed, [&ECDSA_P384_SHA256_ASN1, &ECDSA_P384_SHA384_ASN1])
            }
            Material::Other => None,
            // A signature of one kind by a key of another.
            _ => Some(false),
        }
    }

    fn is_on_curve(
        &self,
        point: &[u8],
        signed: &[u8],
        schemes: [&'static dyn VerificationAlgorithm; 2],
    ) -> Option<bool> {
        let [sha_256, sha_384] = schemes;
        let scheme = match self.hash {
            8 => sha_256,
            9 => sha_384,
            _ => return None,
        };
        let numbers = mpi(&self.value).and_then(|(r, rest)| Some((r, mpi(rest)?.0)));
        let Some(value) = numbers.and_then(|(r, s)| sequence(r, s)) else { return Some(false) };
        Some(UnparsedPublicKey::new(scheme, point).verify(signed, &value).is_ok())
    }

    /// Returns the two halves of a signature in `size` bytes each.
    fn pair(&self, size: usize) -> Option<Vec<u8>> {
        if self.algorithm == 27 {
            return (self.value.len() == 2 * size).then(|| self.value.clone());
        }
        let (first, rest) = mpi(&self.value)?;
        let (second, _) = mpi(rest)?;
        Some([padded(first, size)?, padded(second, size)?].concat())
    }
}

fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let zeros = size.checked_sub(number.len())?;
    Some([&vec![0; zeros], number].concat())
}

/// Two numbers in ASN.1.
fn sequence(r: &[u8], s: &[u8]) -> Option<Vec<u8>> {
    let part = |number: &[u8]| -> Option<Vec<u8>> {
        let sign = number.first().is_some_and(|first| first & 0x80 != 0);
        let number = [if sign { &[0][..] } else { &[] }, number].concat();
        Some([&[0x02, u8::try_from(number.len()).ok()?], &*number].concat())
    };
    let parts = [part(r)?, part(s)?].concat();
    let length = u8::try_from(parts.len()).ok().filter(|length| *length < 0x80)?;
    Some([&[0x30, length], &*parts].concat())
}
