//! Makes the table of built-in kinds from recorded facts.
//!
//!     cargo run -p gitops-core --example generate_schema -- FACTS_DIR gitops-core/src/model/builtin/kinds.bin
//!
//! `FACTS_DIR` holds `openapi/`: the OpenAPI v3 documents of an API server, one file a group and version, `/` written
//! as `_`. `go-json.json`: the JSON tags of the Go types behind the built-in kinds. `defaults.json`: what the server fills
//! in. `src/model/builtin/defaults.txt` adds what depends on more than the absence of a field.

use std::path::Path;
use std::{env, error, fs};

use gitops_core::model::ApiModel;

#[expect(clippy::disallowed_methods, reason = "a program, not the core")]
fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(facts), Some(table)) = (arguments.next(), arguments.next()) else {
        return Err("give the folder of facts and the file to write".into());
    };
    let mut files: Vec<_> = fs::read_dir(Path::new(&facts).join("openapi"))?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut model = ApiModel::empty();
    for file in files {
        let name = file.file_name().into_string().map_err(|_| "a file name is not UTF-8")?;
        let Some(group_version) = built_in(&name) else { continue };
        model = model.with_openapi(&group_version, &fs::read(file.path())?);
    }
    let model = model.with_go_types(&fs::read(Path::new(&facts).join("go-json.json"))?);
    let recorded = fs::read(Path::new(&facts).join("defaults.json"))?;
    let model = model.with_defaults(&recorded, include_str!("../src/model/builtin/defaults.txt"))?;
    fs::write(table, model.to_table())?;
    Ok(())
}

/// Turns `apis_apps_v1.json` into `apps/v1`; files of custom resources and of whole groups give none.
fn built_in(file: &str) -> Option<String> {
    let stem = file.strip_suffix(".json")?;
    if let Some(version) = stem.strip_prefix("api_") {
        return Some(version.to_owned());
    }
    let (group, version) = stem.strip_prefix("apis_")?.split_once('_')?;
    let custom = group == "gateway.networking.k8s.io" || (group.contains('.') && !group.ends_with(".k8s.io"));
    (!custom).then(|| format!("{group}/{version}"))
}
