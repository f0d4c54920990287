//! Keys, tokens and the kubeconfig of a control plane.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

pub(super) const KUBECONFIG: &str = "kubeconfig.yaml";
pub(super) const CERTIFICATES: &str = "certificates";
pub(super) const TOKENS: &str = "tokens.csv";
pub(super) const ACCOUNT_KEY: &str = "accounts.key";
pub(super) const ACCOUNT_PUBLIC_KEY: &str = "accounts.pub";
const ADMIN_TOKEN: &str = "admin.token";

/// What stands before a point of the curve P-256 to make it a public key (RFC 5480), as DER.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Makes what the servers need before they start.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    let random = SystemRandom::new();
    let unavailable = |_| io::Error::other("no random numbers can be had");
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(unavailable)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random);
    let pair = pair.map_err(|_| io::Error::other("a key that was just made cannot be read"))?;
    fs::write(folder.join(ACCOUNT_KEY), pem("PRIVATE KEY", key.as_ref()))?;
    // The server reads public keys apart from private ones of this form.
    let public = [&P256, pair.public_key().as_ref()].concat();
    fs::write(folder.join(ACCOUNT_PUBLIC_KEY), pem("PUBLIC KEY", &public))?;
    let mut bytes = [0; 32];
    random.fill(&mut bytes).map_err(unavailable)?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(folder.join(TOKENS), format!("{token},admin,admin,\"system:masters\"\n"))?;
    fs::write(folder.join(ADMIN_TOKEN), token)?;
    fs::create_dir_all(folder.join(CERTIFICATES))
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

/// Writes how to reach the server as somebody who may do everything.
pub(super) fn kubeconfig(folder: &Path, port: u16, certificate: &Path) -> io::Result<()> {
    let token = fs::read_to_string(folder.join(ADMIN_TOKEN))?;
    // JSON is YAML.
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": certificate}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    });
    fs::write(folder.join(KUBECONFIG), kubeconfig.to_string())
}
