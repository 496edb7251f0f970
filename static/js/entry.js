// Pages before the frame: a form is sent once however often one clicks.
import { startClock } from "./clock.js";
import { startForms } from "./forms.js";

startClock();
startForms();
