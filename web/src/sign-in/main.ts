// The script of the sign-in and account pages. Every form works without it.
import { openPlaces } from './passkey';
import { openForm } from './work';

openPlaces();
openForm();
