//! `history`: what was synced when, by whom and why.

use gitops_core::cluster::{Cluster, Interest};
use gitops_core::reconcile::App;
use gitops_core::sync::Ledger;

use crate::cli::{self, Output};
use crate::render::{self, Paint};
use crate::world::{self, Access, Embedded, finish};
use crate::{Answer, ERROR, Failure};

pub(super) fn history(args: &cli::History, paint: Paint) -> Result<Answer, Failure> {
    let world = Embedded::open(&args.world.cluster, Access::Read)?;
    let app = App::new(world::owner(&args.app)?, "HEAD");
    let key = app.ledger_key();
    let observed = finish(world.cluster.observe(&Interest::in_objects([key.clone()])))??;
    let (ledger, damage) = Ledger::read(&key, observed.live.get(&key))?;
    if ledger.history.is_empty() && damage.is_none() {
        let name = &app.owner.app;
        return Err(format!(
            "application `{name}` was never synced to this cluster; sync it first, or name another one with `--app`"
        )
        .into());
    }
    let text = match args.world.output {
        Output::Text => render::history(&ledger.history, paint) + &render::problems(damage.as_slice(), paint),
        Output::Json => render::json(&ledger.history)?,
        Output::Yaml => render::yaml(&ledger.history)?,
    };
    Ok(Answer { text, code: if damage.is_some() { ERROR } else { 0 } })
}
