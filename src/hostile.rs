//! Everything that reads what others have written, each by one function: what comes in is bytes,
//! nothing comes out, and nothing may panic. `fuzz/` and the tests feed them.

use std::path::Path;

use crate::{
    ansi, definition,
    engine::{Event, state::State},
    host::reports,
    model::{glob::Glob, variable},
};

/// A pipeline file: JSON if it begins like it, else TOML.
pub fn definition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_json = text.trim_start().starts_with('{');
    let name = if is_json { "/p/stagegate.json" } else { "/p/stagegate.toml" };
    if let Err(problems) = definition::parse(Path::new(name), text) {
        for problem in &problems.problems {
            let _ = problems.position(problem);
        }
        let _ = problems.summary();
    }
}

/// A text with references to variables.
pub fn resolver(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let own = |namespace: &str, key: &str| {
        ((namespace, key) == ("own", "KEY")).then(|| "#{own.KEY}".into())
    };
    let _ = variable::references(text);
    let _ = variable::resolve(text, &own);
}

/// A pattern, a newline, a name.
pub fn glob(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(pattern) = Glob::new(pattern) {
        let _ = pattern.matches(name);
    }
}

/// A line of a log. No control character may come through.
pub fn log(data: &[u8]) {
    let shown = ansi::plain(data);
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let styled: String = ansi::styled(data).into_iter().map(|(text, _)| text).collect();
    assert!(!styled.chars().any(char::is_control), "{styled:?}");
}

/// A test report that an action has left.
pub fn report(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = reports::parse(text);
}

/// A request on the runtime's socket.
pub fn request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = crate::runtime::is_request(text);
}

/// An event as the history keeps it, and what it does to a state that knows nothing of it.
pub fn event(data: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Event>(data) else { return };
    let mut state = State::default();
    state.evolve(&event);
    state.evolve(&event);
}
