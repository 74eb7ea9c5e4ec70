//! A dialog in the middle of the screen.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, centered, draw_box, footer::draw_field, review};
use crate::{
    model::ApprovalStatus,
    tui::{
        text,
        theme::Role,
        ui::dialog::{Dialog, Field, Subject},
    },
};

const WIDTH: u16 = 96;

pub(super) fn draw(scene: &Scene<'_>, dialog: &Dialog, area: Rect, buffer: &mut Buffer) {
    let width = WIDTH.min(area.width);
    let lines = content(scene, dialog, width.saturating_sub(4));
    let field = u16::from(dialog.field.is_some()) + u16::from(dialog.effect.is_some());
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(field + 5);
    let outer = centered(area, width, wanted);
    let inside = draw_box(scene, &title(scene, dialog), outer, buffer);
    if inside.height == 0 {
        return;
    }
    let below = (field + 2).min(inside.height);
    let body = Rect { height: inside.height - below, ..inside };
    let hidden = review::draw(scene, &lines, scroll(scene, dialog, &lines, body), body, buffer);
    if hidden > 0 {
        let row = body.height;
        scene
            .pen(buffer, inside, row)
            .write_right(&format!("{hidden} more below, j"), scene.style(Role::Muted));
    }
    let fields = dialog.field.iter().chain(&dialog.effect);
    for (row, field) in (inside.height.saturating_sub(below - 1)..).zip(fields) {
        draw_input(scene, field, inside, row, buffer);
    }
    draw_buttons(scene, dialog, inside, buffer);
}

/// Returns the first line to be shown, so that the selected commit is among them.
fn scroll(scene: &Scene<'_>, dialog: &Dialog, lines: &[review::Line], body: Rect) -> usize {
    let marker = scene.look.glyphs.selected;
    let at = lines.iter().position(|line| line.first().is_some_and(|it| it.0.starts_with(marker)));
    let room = usize::from(body.height);
    let first = at.map_or(0, |at| (at + 2).saturating_sub(room));
    first + dialog.scroll
}

fn title(scene: &Scene<'_>, dialog: &Dialog) -> String {
    let Subject::Gate { gate, status, .. } = &dialog.subject else { return dialog.title.clone() };
    let rejects = *status == ApprovalStatus::Rejected;
    let title =
        if rejects { dialog.title.replace("Review", "REJECT") } else { dialog.title.clone() };
    let at = scene.ui.board.open_gates().find(|at| at.gate.token == gate.token);
    at.map_or_else(
        || title.clone(),
        |at| {
            format!(
                "{} {} waiting {}, {} left",
                title,
                scene.look.glyphs.separator,
                scene.age(at.attempt.started_at),
                text::coarse(at.gate.expires_at.since(scene.now))
            )
        },
    )
}

fn content(scene: &Scene<'_>, dialog: &Dialog, width: u16) -> Vec<review::Line> {
    if let Subject::Gate { gate, .. } = &dialog.subject {
        let at = scene.ui.board.open_gates().find(|at| at.gate.token == gate.token);
        let review = scene.ui.reviews.get(&gate.token).map(AsRef::as_ref);
        let selected = Some(dialog.selected);
        let mut lines = at.map_or_else(Vec::new, |at| review::lines(scene, at, review, selected));
        lines.extend(at.and_then(|at| review::test_line(scene, at.execution.id)));
        lines.extend(review::decision_lines(scene, dialog));
        return lines;
    }
    let style = scene.style(Role::Text);
    let wrapped =
        dialog.lines.iter().flat_map(|line| text::wrap(line, width, 4, scene.look.glyphs.ellipsis));
    wrapped.map(|line| vec![(line, style)]).collect()
}

fn draw_input(scene: &Scene<'_>, field: &Field, inside: Rect, row: u16, buffer: &mut Buffer) {
    let mut pen = scene.pen(buffer, inside, row);
    let role = if field.active { Role::Focus } else { Role::Muted };
    pen.write(&format!("{}: ", field.label), scene.style(role));
    if field.active {
        draw_field(scene, &field.input, &mut pen);
    } else if field.input.text().is_empty() {
        pen.write("Tab to type", scene.style(Role::Muted));
    } else {
        pen.write(field.input.text(), scene.style(Role::Strong));
    }
}

fn draw_buttons(scene: &Scene<'_>, dialog: &Dialog, inside: Rect, buffer: &mut Buffer) {
    let row = inside.height.saturating_sub(1);
    let mut pen = scene.pen(buffer, inside, row);
    let (key, word) = (scene.style(Role::Key), scene.style(Role::Text));
    if dialog.has_active_field() {
        pen.write("Tab", key).skip(1).write("done typing", word).skip(1);
        pen.write(&format!("(then y, {})", dialog.verb()), scene.style(Role::Muted)).skip(3);
        pen.write("Ctrl+U", key).skip(1).write("clear", word);
        return;
    }
    let missing = dialog.missing(scene.now);
    let ready = missing.is_none();
    let verb = if ready { word } else { scene.style(Role::Muted) };
    pen.write("y", key).skip(1).write(dialog.verb(), verb).skip(3);
    // What is in the way comes before everything else that could be done.
    if let Some(missing) = missing {
        pen.write(&missing, scene.style(Role::Waiting)).skip(3);
    }
    if matches!(dialog.subject, Subject::Gate { status: ApprovalStatus::Approved, .. }) {
        pen.write("x", key).skip(1).write("reject instead", word).skip(3);
    }
    pen.write("Esc", key).skip(1).write("cancel", word).skip(3);
    if matches!(dialog.subject, Subject::Gate { status: ApprovalStatus::Approved, .. }) {
        pen.write("d", key).skip(1).write("diff", word).skip(3);
        pen.write("Enter", key).skip(1).write("patch", word).skip(3);
        pen.write("D", key).skip(1).write("later", word).skip(3);
    }
    if dialog.field.is_some() {
        pen.write("Tab", key).skip(1).write("type", word);
    }
}
