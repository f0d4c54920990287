//! The order of steps: phases, waves, providers before dependents, kinds.
