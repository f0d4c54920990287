//! Prints the manifests that the benches read, for the peers under `benches/peers`.
//!
//! `cargo run --release -p gitops-benches --bin data -- COUNT`

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count = std::env::args().nth(1).ok_or("how many objects?")?.parse()?;
    std::io::stdout().write_all(gitops_benches::yaml(count).as_bytes())?;
    Ok(())
}
