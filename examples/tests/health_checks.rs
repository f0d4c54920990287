//! `--health`: checks of health that users bring, in Flux's form and in Argo CD's.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;

use support::{NAMESPACE, World, config};

fn shop() -> World {
    World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "a: one"))])
}

#[test]
fn a_file_of_expressions_decides_about_the_health_of_its_kinds() {
    let world = shop();
    let file = world.inner("health.yaml");
    let check = |current: &str| format!("- apiVersion: v1\n  kind: ConfigMap\n  current: {current}\n");
    for (current, expected) in [("data.a == 'one'", "Healthy"), ("data.a == 'two'", "Progressing")] {
        fs::write(&file, check(current)).unwrap();
        let run = world.gitops(&format!("status --health {}", file.display()));
        assert!(run.code <= 1, "{run:?}");
        let synced = world.gitops(&format!("sync --health {}", file.display()));
        let line = synced.out.lines().find(|line| line.contains("ConfigMap web")).unwrap();
        assert!(line.contains(expected), "{}", synced.out);
    }
}

#[test]
fn a_directory_of_scripts_is_read_as_argo_cd_lays_it_out() {
    let world = shop();
    let folder = world.inner("resource_customizations");
    fs::create_dir_all(folder.join("ConfigMap")).unwrap();
    let script = "return {status = 'Degraded', message = obj.data.a .. ' is wrong'}";
    fs::write(folder.join("ConfigMap/health.lua"), script).unwrap();
    fs::write(folder.join("README.md"), "none").unwrap();
    let run = world.gitops(&format!("sync --health {}", folder.display()));
    let line = run.out.lines().find(|line| line.contains("ConfigMap web")).unwrap();
    assert!(line.contains("Degraded"), "{}", run.out);
}

#[test]
fn a_check_that_cannot_be_used_is_one_message_that_names_file_and_place() {
    let world = shop();
    let (file, folder) = (world.inner("health.yaml"), world.inner("scripts"));
    fs::write(&file, "- apiVersion: v1\n  kind: ConfigMap\n  current: data.a ==\n").unwrap();
    fs::create_dir_all(folder.join("a.io/X")).unwrap();
    fs::write(folder.join("a.io/X/health.lua"), "if then").unwrap();
    for (path, expected) in [
        (file.clone(), "health check 1: `current`: expression `data.a ==` cannot be used: "),
        (folder, "health check `a.io/X/health.lua`: the script cannot be read: "),
        (world.inner("none"), "No such file"),
        (world.repo(), "holds no `GROUP/KIND/health.lua`"),
    ] {
        let run = world.gitops(&format!("sync --health {}", path.display()));
        assert!(run.code > 1 && run.err.lines().count() == 1, "{run:?}");
        assert!(run.err.contains(expected) && run.err.contains(&path.display().to_string()), "{run:?}");
        assert!(world.state().is_none(), "{path:?}");
    }
}
