//! Long texts in few bytes, as a ConfigMap holds them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

/// A tenth of a long text is left at this level, and more effort gains little.
const LEVEL: u8 = 6;

/// Longer texts are not unpacked: a few bytes can stand for any number of them.
const LONGEST: usize = 64 << 20;

/// Packs a text: zlib (RFC 1950), which has a checksum, in base64.
pub(super) fn pack(text: &str) -> String {
    STANDARD.encode(compress_to_vec_zlib(text.as_bytes(), LEVEL))
}

/// Unpacks a text, or says what is wrong with it.
pub(super) fn unpack(packed: &str) -> Result<String, &'static str> {
    let bytes = STANDARD.decode(packed).map_err(|_| "it is not base64")?;
    let text = decompress_to_vec_zlib_with_limit(&bytes, LONGEST).map_err(|_| "it cannot be unpacked")?;
    String::from_utf8(text).map_err(|_| "it is no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_and_nothing_else_is() {
        let text = "ledger, ".repeat(100_000);
        let packed = pack(&text);
        assert!(packed.len() < text.len() / 100);
        assert_eq!(unpack(&packed).as_deref(), Ok(&*text));
        let cut = packed.get(..packed.len() / 8 * 4).unwrap();
        for (damaged, why) in [("?", "it is not base64"), ("", "it cannot be unpacked"), (cut, "it cannot be unpacked")]
        {
            assert_eq!(unpack(damaged), Err(why));
        }
        assert_eq!(unpack(&pack(&"x".repeat(LONGEST + 1))), Err("it cannot be unpacked"));
    }
}
