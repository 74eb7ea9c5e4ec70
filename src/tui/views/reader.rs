//! A text over the whole screen; differences have their colours.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, draw_box};
use crate::{
    ansi,
    tui::{theme::Role, ui::reader::Reader},
};

pub(super) fn draw(scene: &Scene<'_>, reader: &Reader, area: Rect, buffer: &mut Buffer) {
    let title = ansi::one_line(&reader.title);
    let inside = draw_box(scene, &title, area, buffer);
    if inside.height < 2 {
        return;
    }
    let lines = match scene.ui.text_of(reader) {
        Ok(lines) => lines,
        Err(words) => {
            scene.pen(buffer, inside, 0).write(&ansi::one_line(words), scene.style(Role::Muted));
            return;
        }
    };
    let room = usize::from(inside.height - 1);
    let first = if reader.is_list() {
        (reader.at + 1).saturating_sub(room)
    } else {
        reader.at.min(lines.len().saturating_sub(room))
    };
    for (row, (at, line)) in (0..inside.height - 1).zip(lines.iter().enumerate().skip(first)) {
        let line = ansi::plain(line.as_bytes());
        let found = reader.search.as_ref().is_some_and(|it| line.to_lowercase().contains(it));
        let role = if found { Role::LogMark } else { role(reader, &line) };
        scene.pen(buffer, inside, row).write(&line, scene.style(role));
        if reader.is_list() && at == reader.at {
            let line = Rect { y: inside.y + row, height: 1, ..inside };
            buffer.set_style(line.intersection(buffer.area), scene.look.style(Role::Selection));
        }
    }
    let mut pen = scene.pen(buffer, inside, inside.height - 1);
    let last = (first + room).min(lines.len());
    pen.write_right(&format!("{last} of {} lines", lines.len()), scene.style(Role::Muted));
    let keys: &[(&str, &str)] = if reader.is_list() {
        &[("Enter", "open"), ("Esc", "back")]
    } else {
        &[("j k", "scroll"), ("/", "search"), ("n", "next"), ("o", "pager"), ("Esc", "back")]
    };
    for (key, word) in keys {
        pen.write(key, scene.style(Role::Key)).skip(1);
        pen.write(word, scene.style(Role::Muted)).skip(3);
    }
}

fn role(reader: &Reader, line: &str) -> Role {
    use crate::runtime::lookup::TextQuestion;
    match &reader.question {
        TextQuestion::Files { .. } | TextQuestion::File { .. } => Role::Text,
        TextQuestion::Patch { .. } | TextQuestion::Diff { .. } | TextQuestion::Log { .. } => {
            match line.as_bytes() {
                [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Role::Strong,
                [b'+', ..] => Role::Added,
                [b'-', ..] => Role::Deleted,
                [b'@', b'@', ..] => Role::Running,
                _ if line.starts_with("diff ") || line.starts_with("commit ") => Role::Title,
                _ => Role::Text,
            }
        }
    }
}
