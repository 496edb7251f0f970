// Pages before the frame: a form is sent once however often one clicks.
import { startClock } from "./clock.js";
import { startForms } from "./forms.js";
import { startPasskeys } from "./passkeys.js";

startClock();
startPasskeys(); // before the forms, which send others
startForms();
