import com.pixelmed.validate.DicomSRValidator;

/** PixelMed's validator of Structured Reports over many files, with one start: that costs more than a file does. */
public class ValidateMany {
    public static void main(String[] files) throws Exception {
        System.setErr(System.out); // what it says there belongs to the file, too
        DicomSRValidator validator = new DicomSRValidator();
        validator.setOptionCheckTemplateID(true);
        for (String file : files) {
            System.out.println("FILE " + file);
            try {
                System.out.println(validator.validate(file));
            } catch (Exception error) {
                System.out.println("Error: " + error);
            }
        }
        System.out.println("END");
    }
}
