//! Documents of applications and projects.

use gitops_core::app::{AppSpec, Catalog, Project};
use gitops_core::policy::window::{Asked, Window};
use gitops_core::time::Timestamp;

/// A file is read or told to be wrong, the same way twice; what is read survives text; and whatever windows say, they
/// say until when.
pub fn app_spec(bytes: &[u8]) {
    let catalog = Catalog::of([("a.yaml", bytes)]);
    assert_eq!(catalog, Catalog::of([("a.yaml", bytes)]));
    for (name, application) in &catalog.applications {
        assert!(!catalog.held_back.contains(name), "`{name}` is held back and not held back");
        let json = serde_json::to_string(&application.spec).unwrap_or_default();
        let back: Result<AppSpec, String> = serde_json::from_str(&json).map_err(|error| error.to_string());
        assert_eq!(back.as_ref(), Ok(&application.spec), "{json}");
        let app = application.app("");
        assert!(app.is_ok(), "{json}: {app:?}");
        for at in INSTANTS.map(Timestamp::from_millis) {
            let windows = catalog.windows_of(application);
            let permit = windows.decide(Asked::Automatically, at, None);
            assert!(windows.decide(Asked::ByHand, at, Some(at)).allowed || !permit.allowed, "{}", permit.reason);
        }
    }
    for project in catalog.projects.values() {
        let json = serde_json::to_string(project).unwrap_or_default();
        let back: Result<Project, String> = serde_json::from_str(&json).map_err(|error| error.to_string());
        assert_eq!(back.as_ref(), Ok(project), "{json}");
        project.sync_windows.iter().for_each(window);
    }
}

/// Around changes of clocks, and far away.
const INSTANTS: [i64; 6] =
    [0, 1_774_746_000_000, 1_792_890_000_001, 4_107_542_400_000, -62_135_596_800_001, 253_402_300_799_999];

/// A window opens when it says that it will, and is as it was until it says that it changes.
fn window(window: &Window) {
    for at in INSTANTS.map(Timestamp::from_millis) {
        let open = window.is_open(at);
        let Some(change) = window.next_change(at) else { continue };
        assert!(change > at, "{window} at {at}: {change}");
        let between = Timestamp::from_millis(at.millis() + (change.millis() - at.millis()) / 2);
        let before = Timestamp::from_millis(change.millis() - 1);
        for time in [between, before] {
            assert!(window.is_open(time) == open || at.millis() < -62_135_596_800_000, "{window} at {at}, {time}");
        }
        assert!(open || window.is_open(change), "{window} at {at} opens at {change}");
    }
}
