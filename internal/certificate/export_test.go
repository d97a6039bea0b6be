package certificate

// Squares shows the QR code to the tests.
var Squares = squares
