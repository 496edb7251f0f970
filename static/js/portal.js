// The page's behaviour. Everything works on attributes of the markup; nothing here knows a page by name.
//
//   data-live="slot:demo:3 board:demo"  with an id and data-from="URL": re-read and replaced when such a hint arrives;
//                                       operation@demo is a hint of that topic about that board, whatever else it names
//   data-reread="6"                     and that often in seconds without one
//   data-fresh                          gets class `stale` while an age inside is over three intervals old
//   data-left, data-until               a time that counts down to its datetime; a bar that does
//   data-hold                           is not replaced while pointer or focus are in it (lists)
//   data-keep (with an id)              a check box or <details> that keeps its state when replaced
//   data-follow (with an id)            a log that stays at its end when it was there
//   data-dialog="#id"                   opens a dialog of the page; one that arrives in #dialog-host opens by itself
//   data-match="kestrel"                a field that must say this before [data-needs-match] of its form works
//   data-pick, data-picked-count        check boxes of a bulk action, and where their order is said
//   data-picked-order                   the field that sends them, in the order of ticking
//   data-refusals="#id"                 on a form: where its refusal is shown; without a value: such a place
//   data-moment="id", data-unless="id" a time in the reader's zone, sent as UTC; a check box that it rules out
//   data-key="3"                        a link that this key follows
//   data-do="theme|drawer|close|dismiss|reconnect|show-newer"   what a button of the frame does
import { startClock } from "./clock.js";
import { startDialogs } from "./dialogs.js";
import { startForms } from "./forms.js";
import { startKeeping } from "./keeping.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startPasskeys } from "./passkeys.js";
import { startMoments } from "./moments.js";
import { startSelection } from "./selection.js";
import { startShell } from "./shell.js";
import { startToasts } from "./toasts.js";

startClock();
startShell();
startToasts();
startDialogs();
startPasskeys(); // before the forms, which send others
startForms();
startKeeping();
startMoments();
startSelection();
startKeys();
startLive();
