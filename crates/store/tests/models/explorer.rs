//! Visits every state that a model can reach, breadth first, and judges what it finds on the way.

use std::collections::HashMap;
use std::hash::Hash;

/// A step of one process: to where, and whether it is a death.
pub(crate) struct Step<S> {
    pub(crate) to: S,
    pub(crate) death: bool,
}

/// Some processes and what they share.
pub(crate) trait Model {
    type State: Clone + Eq + Hash;

    fn start(&self) -> Self::State;

    /// All steps that can come next. An error is a state that must not be.
    fn steps(&self, state: &Self::State, steps: &mut Vec<Step<Self::State>>) -> Result<(), String>;

    /// Whether everybody who lives has done all there was to do. An error is an end that must not be.
    fn over(&self, state: &Self::State) -> Result<bool, String>;
}

/// How many states and steps there are, if from each state everybody who lives can come to an end without another death.
pub(crate) fn explore<M: Model>(model: &M) -> Result<(usize, usize), String> {
    let mut known: HashMap<M::State, u32> = HashMap::new();
    let mut states = vec![model.start()];
    known.insert(model.start(), 0);
    // For each state those from which it is one step away; deaths are no way to an end.
    let mut before: Vec<Vec<u32>> = vec![Vec::new()];
    let mut ends = Vec::new();
    let (mut at, mut count) = (0, 0);
    let mut steps = Vec::new();
    while let Some(state) = states.get(at).cloned() {
        model.steps(&state, &mut steps)?;
        if model.over(&state)? {
            ends.push(at as u32);
        }
        for step in steps.drain(..) {
            count += 1;
            let next = states.len() as u32;
            let to = *known.entry(step.to).or_insert_with_key(|state| {
                states.push(state.clone());
                before.push(Vec::new());
                next
            });
            if !step.death {
                before[to as usize].push(at as u32);
            }
        }
        at += 1;
    }
    let mut can_end = vec![false; states.len()];
    while let Some(state) = ends.pop() {
        if !std::mem::replace(&mut can_end[state as usize], true) {
            ends.extend(&before[state as usize]);
        }
    }
    match can_end.iter().filter(|can| !**can).count() {
        0 => Ok((states.len(), count)),
        stuck => Err(format!("in {stuck} of {} states somebody who lives can never come to an end", states.len())),
    }
}
