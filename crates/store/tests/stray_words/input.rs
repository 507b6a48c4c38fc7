//! Several stray words at once, as an input of the fuzz target `stray` spells them: in the header and in the owner slot of the
//! thread, before requests and between them. Whatever they say, every session is served all the same within a few requests and
//! seconds, every invariant holds then, and whoever attaches the file later finds every session.

use std::path::Path;

use super::harness::{attach, in_thread, sound};
use super::scene::{Base, MEGABYTES, Scene, header_words, slot_words};

/// Bytes of a step: what is done, a place, a value.
const STEP: usize = 6;
/// Most steps of one input.
const MOST_STEPS: usize = 16;

/// Plays an input. `Err` is a broken promise.
pub(crate) fn play(base: &Base, dir: &Path, input: &[u8]) -> Result<(), String> {
    let places: Vec<u64> = header_words().into_iter().chain(slot_words()).map(|(_, at)| at).collect();
    let sessions = in_thread(|| {
        let mut scene = Scene::new(base, dir)?;
        for (round, step) in (0..).zip(input.as_chunks::<STEP>().0.iter().take(MOST_STEPS)) {
            let [what, place, value @ ..] = *step;
            let at = places.get(usize::from(place) % places.len()).copied().unwrap_or_default();
            let value = u32::from_le_bytes(value);
            let values = scene.values(at);
            match what % 8 {
                0..3 => scene.set(at, value),
                3..6 => scene.set(at, values.get(value as usize % values.len()).copied().unwrap_or(value)),
                6 => scene.requests(round)?,
                _ => scene.second()?,
            }
        }
        let rounds = MOST_STEPS as u64;
        scene.requests(rounds)?;
        scene.second()?;
        scene.requests(rounds + 1)?;
        scene.whole()?;
        sound(&scene.store)?;
        Ok::<_, String>(scene.sessions)
    })??;
    in_thread(|| {
        let store = attach(dir, MEGABYTES);
        super::scene::whole(&store, &sessions)?;
        sound(&store).map(drop)
    })?
}
