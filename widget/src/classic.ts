/** The entry of the classic script: defines the element and leaves no global name. */
import './define.js';
